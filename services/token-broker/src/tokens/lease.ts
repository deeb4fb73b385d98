import { randomUUID } from 'node:crypto';
import { leaseMs, leaseRenewMs } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';

/** The right to buy one token; whoever is given it later has a higher fence. */
export type Lease = { name: string; owner: string; fence: number };

/** Leases over all pods: one holder a token, renewed while the work goes on, gone soon after a holder that died. */
export function createLeases(store: Store, names: Names) {
  return {
    /** The lease, or for how long another holds it. @throws Fault `unavailable`. */
    async take(key: string, field: string): Promise<Lease | { name: string; heldForMs: number }> {
      const name = names.lease(key, field);
      const owner = randomUUID();
      const taken = await store.takeLease(name, owner, leaseMs);
      return 'fence' in taken ? { name, owner, fence: taken.fence } : { name, heldForMs: taken.heldForMs };
    },
    /** Works under a lease, and gives it back. */
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
