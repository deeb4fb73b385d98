import { setTimeout as delay } from 'node:timers/promises';
import { revocationRetry } from '../../lifetimes.ts';

/** Why a retry was given up: its time was over, there was no room for it, or the process ended. */
export type Lost = 'expired' | 'full' | 'shutdown';

export type Retry = {
  /** A retry with the key of a waiting one replaces it. */
  key: string;
  /** No owner can take all the room. */
  owner: string;
  attempt: () => Promise<void>;
  lost: (why: Lost) => void;
};

type Waiting = Retry & { untilMs: number };

type RetriesOptions = {
  nowMs: () => number;
  /** Waits between two rounds; a test brings its own. */
  pause?: ((ms: number) => Promise<void>) | undefined;
  /** How many may wait, and how many of one owner. */
  most: { all: number; owner: number };
};

/** How many run at once. After as many failures in a row a round ends: the other side is still unavailable. */
const atOnce = 8;

/**
 * Retries what failed, each for a minute, every 2 s, until it succeeds. On disposal it retries for two seconds more,
 * then calls `lost` for what is left. A flood cannot exceed its bounds: in number, and in calls during an outage.
 */
export class Retries implements AsyncDisposable {
  readonly #nowMs: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #most: RetriesOptions['most'];
  readonly #waiting = new Map<string, Waiting>();
  readonly #owned = new Map<string, number>();
  #repeating = false;
  #closed = false;

  constructor({ nowMs, pause = sleep, most }: RetriesOptions) {
    this.#nowMs = nowMs;
    this.#pause = pause;
    this.#most = most;
  }

  /** Adds a retry. Returns whether it is new, known already, or lost for want of room. */
  add(retry: Retry): 'new' | 'known' | 'lost' {
    const known = this.#waiting.has(retry.key);
    this.remove(retry.key);
    const owned = this.#owned.get(retry.owner) ?? 0;
    if (this.#closed || this.#waiting.size >= this.#most.all || owned >= this.#most.owner) {
      retry.lost(this.#closed ? 'shutdown' : 'full');
      return 'lost';
    }
    this.#waiting.set(retry.key, { ...retry, untilMs: this.#nowMs() + revocationRetry.forMs });
    this.#count(retry.owner, 1);
    void this.#repeat();
    return known ? 'known' : 'new';
  }

  /** Removes a retry whose work was done elsewhere. */
  remove(key: string): void {
    const retry = this.#waiting.get(key);
    if (!retry) return;
    this.#waiting.delete(key);
    this.#count(retry.owner, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const untilMs = performance.now() + revocationRetry.lastMs;
    const leftMs = () => untilMs - performance.now();
    while (this.#waiting.size > 0 && leftMs() > 0) {
      await Promise.race([this.#round(), sleep(leftMs())]);
      // A breaker lets a call through once a second. This wait, unlike the others, keeps the process.
      if (this.#waiting.size > 0 && leftMs() > 0) await delay(revocationRetry.lastEveryMs);
    }
    for (const retry of [...this.#waiting.values()]) this.#lose(retry, 'shutdown');
  }

  async #repeat(): Promise<void> {
    if (this.#repeating) return;
    this.#repeating = true;
    while (this.#waiting.size > 0 && !this.#closed) {
      await this.#pause(revocationRetry.everyMs);
      if (!this.#closed) await this.#round();
    }
    this.#repeating = false;
  }

  /** Tries one at a time; after the first success, many at once. */
  async #round(): Promise<void> {
    const due = [...this.#waiting.values()].values();
    let failures = 0;
    let others: Promise<void>[] | undefined;
    const work = async () => {
      for (const retry of due) {
        if (failures >= atOnce) return;
        // It was done, or replaced, since the round began.
        if (this.#waiting.get(retry.key) !== retry) continue;
        if (await this.#succeeds(retry)) {
          failures = 0;
          others ??= Array.from({ length: atOnce - 1 }, work);
        } else failures += 1;
      }
    };
    await work();
    await Promise.all(others ?? []);
    for (const retry of [...this.#waiting.values()]) if (this.#nowMs() >= retry.untilMs) this.#lose(retry, 'expired');
  }

  async #succeeds(retry: Waiting): Promise<boolean> {
    const succeeded = await retry.attempt().then(
      () => true,
      () => false,
    );
    if (this.#waiting.get(retry.key) === retry) {
      this.#waiting.delete(retry.key);
      // A failed one goes to the end of the queue.
      if (!succeeded) this.#waiting.set(retry.key, retry);
      else this.#count(retry.owner, -1);
    }
    return succeeded;
  }

  #lose(retry: Retry, why: Lost): void {
    this.remove(retry.key);
    retry.lost(why);
  }

  #count(owner: string, more: 1 | -1): void {
    const number = (this.#owned.get(owner) ?? 0) + more;
    if (number > 0) this.#owned.set(owner, number);
    else this.#owned.delete(owner);
  }
}

function sleep(ms: number): Promise<void> {
  return delay(ms, undefined, { ref: false });
}
