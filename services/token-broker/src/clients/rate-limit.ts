import { Fault } from '@onbehalf/node/core/fault';
import { LRUCache } from 'lru-cache';

/**
 * Limits the request rate of each name (a caller, a session) in this process: `perSecond` on average, `burst` at once.
 * Generic cell rate algorithm: one number for each name. The clock is monotonic: if a wall clock is set back, the limit
 * would refuse requests for that long.
 */
export function createLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  nowMs: () => number = () => performance.now(),
) {
  const intervalMs = 1_000 / perSecond;
  const toleranceMs = intervalMs * (burst - 1);
  // Entries are changed in place: most requests find one.
  const dues = new LRUCache<string, { atMs: number }>({ max: 100_000 });
  return {
    /** @throws Fault `too_many_requests` with `Retry-After`. */
    take(name: string): void {
      const now = nowMs();
      const due = dues.get(name) ?? { atMs: 0 };
      const atMs = Math.max(due.atMs, now);
      const waitMs = atMs - now - toleranceMs;
      if (waitMs > 0) {
        throw new Fault('too_many_requests', 'Too many requests; slow down.', { retryAfterSeconds: waitMs / 1_000 });
      }
      if (due.atMs === 0) dues.set(name, due);
      due.atMs = atMs + intervalMs;
    },
  };
}

export type Limit = ReturnType<typeof createLimit>;
