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
  const dueMs = new LRUCache<string, number>({ max: 100_000 });
  return {
    /** @throws Fault `too_many_requests` with `Retry-After`. */
    take(name: string): void {
      const now = nowMs();
      const due = Math.max(dueMs.get(name) ?? now, now);
      const waitMs = due - now - toleranceMs;
      if (waitMs > 0) {
        throw new Fault('too_many_requests', 'Too many requests; slow down.', { retryAfterSeconds: waitMs / 1_000 });
      }
      dueMs.set(name, due + intervalMs);
    },
  };
}

export type Limit = ReturnType<typeof createLimit>;
