import { Fault } from '@onbehalf/node/core/fault';
import { MemoryStore } from './memory-store.fake.ts';
import { type Store, StoreFull } from './store.ts';

const reads = new Set(['get', 'members', 'readPartition', 'readRecord', 'openSessions']);

const growing = new Set(['set', 'setIfAbsent', 'addMember', 'openSession', 'touchSession', 'writeToken', 'takeLease']);

/** A store in memory that counts its writes, can be away or full, and lets a test step in before and after each operation. */
export function watchedStore(nowMs: () => number = Date.now) {
  const inner = new MemoryStore(nowMs);
  const watch = {
    away: false,
    full: false,
    writes: [] as string[],
    /** Steps in: `before` the operation and `after` it. */
    step: undefined as ((when: 'before' | 'after', operation: string) => Promise<void>) | undefined,
    ttls: () => inner.ttls(),
    channel: inner.channel,
  };
  const store = new Proxy(inner, {
    get(target, name: string) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function' || name === 'ttls' || name === 'permitted') return value;
      return async (...args: unknown[]) => {
        await watch.step?.('before', name);
        if (watch.away) throw new Fault('unavailable', 'The store is away.', { retryAfterSeconds: 2 });
        if (watch.full && growing.has(name)) {
          throw new Fault('unavailable', 'The store is full.', { cause: new StoreFull(), retryAfterSeconds: 2 });
        }
        if (!reads.has(name)) watch.writes.push(`${name} ${args[0]}`);
        const result = await value.apply(target, args);
        await watch.step?.('after', name);
        return result;
      };
    },
  }) as Store;
  return { store, watch };
}
