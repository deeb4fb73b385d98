import { Fault } from '@onbehalf/chassis/fault';

type HealingOptions = {
  /** How long a value serves before it is loaded anew behind it. */
  freshMs: number;
  /** How long after a failure the next try may come. */
  retryMs: number;
  nowMs: () => number;
  /** What those get who come while there is nothing. */
  unavailable: (cause?: unknown) => Fault;
};

/** A value loaded when first needed, once for all who wait, and kept while loading it anew fails. */
export function healing<T>(load: () => Promise<T>, { freshMs, retryMs, nowMs, unavailable }: HealingOptions) {
  let last: T | undefined;
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<T> | undefined;

  async function loadOnce(): Promise<T> {
    try {
      last = await load();
      nextAtMs = nowMs() + freshMs;
      return last;
    } catch (error) {
      nextAtMs = nowMs() + retryMs;
      throw error instanceof Fault ? error : unavailable(error);
    } finally {
      loading = undefined;
    }
  }

  return {
    /** What was loaded last, if anything. */
    last: () => last,
    async get(): Promise<T> {
      const due = nowMs() >= nextAtMs;
      if (last === undefined && !due && !loading) throw unavailable();
      if (due) loading ??= loadOnce();
      if (last === undefined) return loading as Promise<T>;
      // The old one serves; a failure is tried again for a later caller.
      loading?.catch(() => undefined);
      return last;
    },
  };
}
