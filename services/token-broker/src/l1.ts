import { LRUCache } from 'lru-cache';
import type { Events } from './store.ts';

type Held<V> = { value: V; verifiedAtMs: number; epoch: number };

/** When, and in which life of the channel, a read of the store began. */
export type Mark = { epoch: number; atMs: number };

type L1Options = {
  maxBytes: number;
  /** How long an entry may serve after the channel that would withdraw it went down. */
  maxUnverifiedMs: number;
  events: Events;
  nowMs: () => number;
};

/** An entry's share besides its own bytes and its field's: key, Map slots, objects. */
const overheadBytes = 400;

/**
 * What this process learnt, by key and field, bounded by bytes. An entry is trusted while the channel that would
 * withdraw it has been up ever since it was read; while the channel is down, for `maxUnverifiedMs` more.
 */
export function createL1<V>({ maxBytes, maxUnverifiedMs, events, nowMs }: L1Options, sizeOf: (value: V) => number) {
  const entries = new LRUCache<string, Map<string, Held<V>>>({
    maxSize: maxBytes,
    sizeCalculation: (fields) => {
      let bytes = 0;
      for (const [field, held] of fields) bytes += field.length + sizeOf(held.value) + overheadBytes;
      return Math.max(bytes, 1);
    },
  });
  const withdrawn = new LRUCache<string, number>({ max: 10_000 });
  function withdraw(key: string): void {
    entries.delete(key);
    withdrawn.set(key, nowMs());
  }
  events.onInvalidate(withdraw);

  function trusted({ verifiedAtMs, epoch }: Held<V>): boolean {
    // A message may have been missed between the two lives of the channel.
    if (epoch !== events.epoch) return false;
    const downSinceMs = events.downSinceMs;
    return downSinceMs === undefined || nowMs() - Math.max(downSinceMs, verifiedAtMs) <= maxUnverifiedMs;
  }

  return {
    /** The trusted value and its age since it was read from the store. */
    get(key: string, field: string): { value: V; ageMs: number } | undefined {
      const held = entries.get(key)?.get(field);
      if (!held || !trusted(held)) return undefined;
      return { value: held.value, ageMs: nowMs() - held.verifiedAtMs };
    },
    /** The mark is of before the read began: what was withdrawn meanwhile does not come back. */
    put(key: string, field: string, value: V, { epoch, atMs }: Mark): void {
      if ((withdrawn.get(key) ?? 0) >= atMs) return;
      // A new Map, because the cache measures only what it has not seen.
      const fields = new Map(entries.get(key));
      entries.set(key, fields.set(field, { value, verifiedAtMs: atMs, epoch }));
    },
    withdraw,
    /** Taken before a read of the store, given to `put` after it. */
    mark: (): Mark => ({ epoch: events.epoch, atMs: nowMs() }),
    get bytes() {
      return entries.calculatedSize;
    },
  };
}

export type L1<V> = ReturnType<typeof createL1<V>>;
