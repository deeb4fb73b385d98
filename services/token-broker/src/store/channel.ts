import type { Events } from './store.ts';

/** Entries of older lives of the channel than these have lapsed by any bound. */
const livesRemembered = 1_000;

/** The receiving end of the channel, whatever carries it. */
export function createEvents(nowMs: () => number = Date.now) {
  const sleepers = new Map<string, Set<() => void>>();
  const listeners: ((key: string) => void)[] = [];
  const ends = new Map<number, number>();
  let epoch = 0;
  let downSinceMs: number | undefined = nowMs();
  const events: Events = {
    get epoch() {
      return epoch;
    },
    get downSinceMs() {
      return downSinceMs;
    },
    heardUntilMs: (life) => (life === epoch ? (downSinceMs ?? nowMs()) : (ends.get(life) ?? 0)),
    onInvalidate: (listener) => void listeners.push(listener),
    woken: (leaseKey, timeoutMs) =>
      new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          const others = sleepers.get(leaseKey);
          others?.delete(wake);
          if (others?.size === 0) sleepers.delete(leaseKey);
          resolve();
        };
        const timer = setTimeout(wake, timeoutMs);
        sleepers.set(leaseKey, (sleepers.get(leaseKey) ?? new Set()).add(wake));
      }),
  };
  return {
    events,
    up() {
      if (downSinceMs === undefined) return;
      ends.set(epoch, downSinceMs);
      ends.delete(epoch - livesRemembered);
      downSinceMs = undefined;
      epoch += 1;
    },
    /** `sinceMs`: when it was last heard. */
    down(sinceMs = nowMs()) {
      downSinceMs ??= sinceMs;
    },
    wake(leaseKey: string) {
      for (const sleeper of [...(sleepers.get(leaseKey) ?? [])]) sleeper();
    },
    invalidate(key: string) {
      for (const listener of listeners) listener(key);
    },
  };
}
