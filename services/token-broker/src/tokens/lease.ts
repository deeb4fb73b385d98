import { randomUUID } from 'node:crypto';
import { leaseMs, leaseRenewMs } from '../lifetimes.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { ReleaseListener, Store } from '../store/store.ts';

/** The right to acquire one token. A later lease has a higher fence. */
export type Lease = { name: string; owner: string; fence: number };

/** Leases over all pods: each token has one holder. A lease is renewed during the work, and expires soon after its holder dies. */
export function createLeases(store: Store, redisKeys: RedisKeys) {
  return {
    /** Hears when the lease is released, from now on. */
    listen: (key: string, field: string): ReleaseListener =>
      store.channel.listenForRelease(redisKeys.lease(key, field)),
    /** The lease, or how long another owner still holds it at most. @throws Fault `unavailable`. */
    async take(key: string, field: string): Promise<Lease | { heldForMs: number }> {
      const name = redisKeys.lease(key, field);
      const owner = randomUUID();
      const taken = await store.takeLease(name, owner, leaseMs);
      return 'fence' in taken ? { name, owner, fence: taken.fence } : taken;
    },
    /** Works under a lease, then releases it. */
    async hold<T>({ name, owner }: Lease, work: () => Promise<T>): Promise<T> {
      const renewing = setInterval(() => {
        store.renewLease(name, owner, leaseMs).catch(() => {});
      }, leaseRenewMs);
      try {
        return await work();
      } finally {
        clearInterval(renewing);
        await store.releaseLease(name, owner).catch(() => {});
      }
    },
  };
}

export type Leases = ReturnType<typeof createLeases>;
