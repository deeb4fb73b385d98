import { Fault } from '../../core/fault.ts';

type RefreshableOptions<T> = {
  load: () => Promise<T>;
  /** How long a value is fresh. A stale one still serves while a new one loads. */
  freshMs: number;
  /** After a failure the next load waits so long. */
  retryMs: number;
  nowMs: () => number;
  /** The Fault for callers while there is no value. */
  unavailable: (cause?: unknown) => Fault;
};

/** A value that loads when first needed, once for all who wait, and stays while loading a new one fails. */
export class Refreshable<T> {
  readonly #options: RefreshableOptions<T>;
  #last: T | undefined;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #loading: Promise<T> | undefined;

  constructor(options: RefreshableOptions<T>) {
    this.#options = options;
  }

  /** The value that was loaded last, if any. */
  get last(): T | undefined {
    return this.#last;
  }

  async get(): Promise<T> {
    const due = this.#options.nowMs() >= this.#nextAtMs;
    if (this.#last === undefined && !due && !this.#loading) throw this.#options.unavailable();
    if (due) this.#loading ??= this.#load();
    if (this.#last === undefined) return this.#loading as Promise<T>;
    // The stale value serves; after a failure a later caller loads again.
    this.#loading?.catch(() => undefined);
    return this.#last;
  }

  async #load(): Promise<T> {
    const { load, freshMs, retryMs, nowMs, unavailable } = this.#options;
    try {
      this.#last = await load();
      this.#nextAtMs = nowMs() + freshMs;
      return this.#last;
    } catch (error) {
      this.#nextAtMs = nowMs() + retryMs;
      throw error instanceof Fault ? error : unavailable(error);
    } finally {
      this.#loading = undefined;
    }
  }
}
