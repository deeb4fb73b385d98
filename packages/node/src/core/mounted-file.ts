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
  { onBroken = () => {}, nowMs = Date.now }: MountedOptions = {},
): Mounted<T> {
  let good: { value: T } | undefined;
  let contents: Buffer[] | undefined;
  /** Why nothing can be made of `contents`. */
  let fault: { error: unknown } | undefined;
  let version = '';
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let away = 0;
  let looking: Promise<void> | undefined;

  async function read(): Promise<Buffer[]> {
    const stats = await Promise.all(paths.map((path) => stat(path)));
    const found = stats.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
    if (contents && found === version) return contents;
    const read = await Promise.all(paths.map((path) => readFile(path)));
    if (read.some((one) => one.toString('latin1').trim() === '')) throw new Error('the mounted file is empty');
    version = found;
    return read;
  }

  async function look(): Promise<void> {
    try {
      const now = await read();
      away = 0;
      const before = contents;
      if (before && now.every((one, i) => one.equals(before[i] as Buffer))) return;
      contents = now;
      fault = undefined;
    } catch (error) {
      away += 1;
      if (away === (good ? looksUntilAway : 1)) onBroken(error, good !== undefined);
      if (good) return;
      throw error;
    }
    try {
      good = { value: await make(...contents) };
    } catch (error) {
      fault = { error };
      onBroken(error, good !== undefined);
    }
  }

  async function mounted(): Promise<T> {
    if (!good || nowMs() - lookedAtMs >= lookEveryMs) {
      lookedAtMs = nowMs();
      looking ??= look().finally(() => {
        looking = undefined;
      });
      await looking;
    }
    if (!good) throw fault?.error;
    return good.value;
  }

  function renew(): void {
    version = '';
    lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  return Object.assign(mounted, { renew });
}

/** As `createMounted`, of a text: ServiceAccount tokens, secrets, passwords. It comes without the space around it. */
export function createMountedFile(path: string, nowMs?: () => number): () => Promise<string> {
  return createMounted([path], trimmed, nowMs && { nowMs });
}

/** The text of a mounted file without the space around it, which editors add. */
export function trimmed(content: Buffer): string {
  return content.toString().trim();
}
