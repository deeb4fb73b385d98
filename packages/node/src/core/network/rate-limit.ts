import { Fault } from '../fault.ts';

/** How many names are kept; the one that was silent longest goes first. About 100 bytes each. */
const maxNames = 20_000;

/**
 * Limits the request rate of each name (a caller, a session, a network) in this process: `perSecond` on average, `burst`
 * at once. Generic cell rate algorithm: one number for each name. The clock is monotonic: if a wall clock is set back, the
 * limit would refuse requests for that long.
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #nowMs: () => number;
  /** Until when each name has used its rate, the one that was silent longest first. */
  readonly #dues = new Map<string, number>();

  constructor({ perSecond, burst }: { perSecond: number; burst: number }, nowMs = () => performance.now()) {
    this.#intervalMs = 1_000 / perSecond;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
    this.#nowMs = nowMs;
  }

  /** Counts a request of this name and gives 0; or counts nothing and gives the seconds until one passes. */
  waitSeconds(name: string): number {
    const now = this.#nowMs();
    const due = Math.max(this.#dues.get(name) ?? 0, now);
    const waitMs = Math.max(0, due - now - this.#toleranceMs);
    this.#dues.delete(name);
    this.#dues.set(name, waitMs === 0 ? due + this.#intervalMs : due);
    if (this.#dues.size > maxNames) this.#dues.delete(this.#dues.keys().next().value as string);
    return waitMs / 1_000;
  }

  /** Counts a request of this name. @throws Fault `too_many_requests` with `Retry-After` and this sentence. */
  take(name: string, sentence = 'Too many requests; slow down.'): void {
    const retryAfterSeconds = this.waitSeconds(name);
    if (retryAfterSeconds > 0) throw new Fault('too_many_requests', sentence, { retryAfterSeconds });
  }
}

/** What requests are counted by. */
export type Limit = Pick<RateLimit, 'take'>;
