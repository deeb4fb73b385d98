import { Fault } from '@onbehalf/chassis/fault';
import { LRUCache } from 'lru-cache';

/**
 * A request rate per name (a caller, a session), kept in this process: `perSecond` on average, `burst` at once.
 * Generic cell rate algorithm: one number a name. By a clock that never goes back: the wall's would refuse for as long
 * as it was put back.
 */
export function createLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  nowMs: () => number = () => performance.now(),
) {
  const intervalMs = 1_000 / perSecond;
  const toleranceMs = intervalMs * (burst - 1);
  // Changed in place: most requests find their own.
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
