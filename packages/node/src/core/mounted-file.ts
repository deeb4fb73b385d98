import { readFile, stat } from 'node:fs/promises';

/** How often mounted files are looked at; the kubelet itself takes up to a minute to swap one. */
const lookEveryMs = 1_000;
/** Between two swaps, or while it is written, a file may be away or empty for a moment: only the second look tells. */
const looksUntilAway = 2;

export type MountedOptions = {
  /** Told once of a change that cannot be used, and of files that are away or empty; `kept`: the last good value serves. */
  onBroken?: (error: unknown, kept: boolean) => void;
  nowMs?: () => number;
};

/** Gives what is mounted; `renew` has the next call look at the files, however lately they were looked at. */
export type Mounted<T> = (() => Promise<T>) & { renew(): void };

/**
 * A value made of mounted files that are replaced while we run. They are looked at once a second at most, and the same
 * value comes back until their content changes. Whatever happens to them, the last good value stays.
 * @throws Error while there was never a good one.
 */
export function createMounted<T>(
  paths: string[],
  make: (...contents: Buffer[]) => T | Promise<T>,
  options: MountedOptions = {},
): Mounted<T> {
  const files = new MountedFiles(paths, make, options);
  return Object.assign(() => files.value(), { renew: () => files.renew() });
}

class MountedFiles<T> {
  readonly #paths: string[];
  readonly #make: (...contents: Buffer[]) => T | Promise<T>;
  readonly #onBroken: NonNullable<MountedOptions['onBroken']>;
  readonly #nowMs: () => number;
  #good: { value: T } | undefined;
  #contents: Buffer[] | undefined;
  /** Why nothing can be made of `#contents`. */
  #fault: { error: unknown } | undefined;
  #version = '';
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** How many looks in a row found the files away or empty. */
  #away = 0;
  #looking: Promise<void> | undefined;

  constructor(
    paths: string[],
    make: (...contents: Buffer[]) => T | Promise<T>,
    { onBroken = () => {}, nowMs = Date.now }: MountedOptions,
  ) {
    this.#paths = paths;
    this.#make = make;
    this.#onBroken = onBroken;
    this.#nowMs = nowMs;
  }

  async value(): Promise<T> {
    if (!this.#good || this.#nowMs() - this.#lookedAtMs >= lookEveryMs) {
      this.#lookedAtMs = this.#nowMs();
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
      await this.#looking;
    }
    if (!this.#good) throw this.#fault?.error;
    return this.#good.value;
  }

  renew(): void {
    this.#version = '';
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  async #look(): Promise<void> {
    const contents = await this.#readChanged();
    if (!contents) return;
    try {
      this.#good = { value: await this.#make(...contents) };
    } catch (error) {
      this.#fault = { error };
      this.#onBroken(error, this.#good !== undefined);
    }
  }

  /** The contents, if they changed since the last look. @throws Error if there are none and never was a good value. */
  async #readChanged(): Promise<Buffer[] | undefined> {
    try {
      const now = await this.#read();
      this.#away = 0;
      const before = this.#contents;
      if (before && now.every((one, i) => one.equals(before[i] as Buffer))) return undefined;
      this.#contents = now;
      this.#fault = undefined;
      return now;
    } catch (error) {
      this.#away += 1;
      if (this.#away === (this.#good ? looksUntilAway : 1)) this.#onBroken(error, this.#good !== undefined);
      if (this.#good) return undefined;
      throw error;
    }
  }

  async #read(): Promise<Buffer[]> {
    const stats = await Promise.all(this.#paths.map((path) => stat(path)));
    const found = stats.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
    if (this.#contents && found === this.#version) return this.#contents;
    const read = await Promise.all(this.#paths.map((path) => readFile(path)));
    if (read.some((one) => one.toString('latin1').trim() === '')) throw new Error('the mounted file is empty');
    this.#version = found;
    return read;
  }
}

/** As `createMounted`, of a text: ServiceAccount tokens, secrets, passwords. It comes without the space around it. */
export function createMountedFile(path: string, nowMs?: () => number): () => Promise<string> {
  return createMounted([path], trimmed, nowMs && { nowMs });
}

/** The text of a mounted file without the space around it, which editors add. */
export function trimmed(content: Buffer): string {
  return content.toString().trim();
}
