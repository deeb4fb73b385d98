import { setTimeout as delay } from 'node:timers/promises';
import { endAgain } from '../lifetimes.ts';

/** Why something was not done: its time was over, there was no room to remember it, or the process ended. */
export type Lost = 'expired' | 'full' | 'shutdown';

export type Retry = {
  /** The same once more takes the place of what waits already. */
  key: string;
  /** Whose it is: one of them cannot take all the room. */
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

export type Retries = ReturnType<typeof createRetries>;

/** So many are tried at once; after so many failures a round ends: whoever is asked is away still. */
const atOnce = 8;

/**
 * Tries again what failed, each for a minute, every 2 s, until it succeeds. Disposed, it tries what is left for two
 * seconds more. What is not done in the end is told `lost`. Bounded, whoever floods it: in number, and in calls while
 * nobody answers.
 */
export function createRetries({ nowMs, pause = sleep, most }: RetriesOptions) {
  const waiting = new Map<string, Waiting>();
  const owned = new Map<string, number>();
  let repeating = false;
  let closed = false;

  function count(owner: string, more: 1 | -1): void {
    const number = (owned.get(owner) ?? 0) + more;
    if (number > 0) owned.set(owner, number);
    else owned.delete(owner);
  }

  function remove(key: string): void {
    const retry = waiting.get(key);
    if (!retry) return;
    waiting.delete(key);
    count(retry.owner, -1);
  }

  function lose(retry: Retry, why: Lost): void {
    remove(retry.key);
    retry.lost(why);
  }

  /** Tries the first alone, and once one has succeeded many at once. */
  async function round(): Promise<void> {
    const due = [...waiting.values()].values();
    let failures = 0;
    let others: Promise<void>[] | undefined;
    const work = async () => {
      for (const retry of due) {
        if (failures >= atOnce) return;
        // It was done, or asked for anew, since the round began.
        if (waiting.get(retry.key) !== retry) continue;
        if (await succeeds(retry)) {
          failures = 0;
          others ??= Array.from({ length: atOnce - 1 }, work);
        } else failures += 1;
      }
    };
    await work();
    await Promise.all(others ?? []);
    for (const retry of [...waiting.values()]) if (nowMs() >= retry.untilMs) lose(retry, 'expired');
  }

  async function succeeds(retry: Waiting): Promise<boolean> {
    const succeeded = await retry.attempt().then(
      () => true,
      () => false,
    );
    if (waiting.get(retry.key) === retry) {
      waiting.delete(retry.key);
      // Those behind it go first the next time.
      if (!succeeded) waiting.set(retry.key, retry);
      else count(retry.owner, -1);
    }
    return succeeded;
  }

  async function repeat(): Promise<void> {
    if (repeating) return;
    repeating = true;
    while (waiting.size > 0 && !closed) {
      await pause(endAgain.everyMs);
      if (!closed) await round();
    }
    repeating = false;
  }

  return {
    /** Remembers it; whether it is new, known already, or lost for want of room. */
    add(retry: Retry): 'new' | 'known' | 'lost' {
      const known = waiting.has(retry.key);
      remove(retry.key);
      if (closed || waiting.size >= most.all || (owned.get(retry.owner) ?? 0) >= most.owner) {
        retry.lost(closed ? 'shutdown' : 'full');
        return 'lost';
      }
      waiting.set(retry.key, { ...retry, untilMs: nowMs() + endAgain.forMs });
      count(retry.owner, 1);
      void repeat();
      return known ? 'known' : 'new';
    },
    /** Forgets what was done otherwise. */
    remove,
    async [Symbol.asyncDispose](): Promise<void> {
      closed = true;
      const leftMs = () => untilMs - performance.now();
      const untilMs = performance.now() + endAgain.lastMs;
      while (waiting.size > 0 && leftMs() > 0) {
        await Promise.race([round(), sleep(leftMs())]);
        // A breaker lets a call through once a second. This wait, unlike the others, keeps the process.
        if (waiting.size > 0 && leftMs() > 0) await delay(endAgain.lastEveryMs);
      }
      for (const retry of [...waiting.values()]) lose(retry, 'shutdown');
    },
  };
}

function sleep(ms: number): Promise<void> {
  return delay(ms, undefined, { ref: false });
}
