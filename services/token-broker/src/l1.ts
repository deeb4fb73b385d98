import { LRUCache } from 'lru-cache';
import type { Events } from './store.ts';

type Held<V> = { field: string; value: V; verifiedAtMs: number; epoch: number };

/** When, and in which life of the channel, a read of the store began. */
export type Mark = { epoch: number; atMs: number };

/** `trusted`: may serve. `unverified`: may serve if the store cannot be asked. `lapsed`: the bound is over. */
export type Standing = 'trusted' | 'unverified' | 'lapsed';

type L1Options = {
  maxBytes: number;
  /** How long an entry may serve after the channel that would withdraw it went down. */
  maxUnverifiedMs: number;
  events: Events;
  nowMs: () => number;
};

/** An entry's share besides its own bytes and its field's: key, slots, objects. */
const overheadBytes = 400;

/**
 * What this process learnt, by key and field, bounded by bytes. An entry is trusted while the channel that would
 * withdraw it has been up ever since it was read, and for `maxUnverifiedMs` after that channel went down.
 */
export function createL1<V>({ maxBytes, maxUnverifiedMs, events, nowMs }: L1Options, sizeOf: (value: V) => number) {
  // A key has few fields, mostly one: a list of them is smaller and quicker to read than a Map.
  const entries = new LRUCache<string, Held<V>[]>({
    maxSize: maxBytes,
    sizeCalculation: (fields) => {
      let bytes = 0;
      for (const { field, value } of fields) bytes += field.length + sizeOf(value) + overheadBytes;
      return Math.max(bytes, 1);
    },
  });
  // All people ask for the same few things: one string for all is smaller, and near when it is compared.
  const fieldNames = new LRUCache<string, string>({ max: 1_000 });
  function shared(field: string): string {
    const known = fieldNames.get(field);
    if (known === undefined) fieldNames.set(field, field);
    return known ?? field;
  }
  const withdrawn = new LRUCache<string, number>({ max: 10_000 });
  function withdraw(key: string): void {
    entries.delete(key);
    withdrawn.set(key, nowMs());
  }
  events.onInvalidate(withdraw);

  function standingOf({ verifiedAtMs, epoch }: Held<V>): Standing {
    const confirmedAtMs = Math.max(verifiedAtMs, events.heardUntilMs(epoch));
    if (nowMs() - confirmedAtMs > maxUnverifiedMs) return 'lapsed';
    // Between two lives of the channel a message may have been missed.
    return epoch === events.epoch ? 'trusted' : 'unverified';
  }

  return {
    /** A value, its age since it was read from the store, and what it is good for now. */
    get(key: string, field: string): { value: V; ageMs: number; standing: Standing } | undefined {
      const held = entries.get(key)?.find((one) => one.field === field);
      if (!held) return undefined;
      return { value: held.value, ageMs: nowMs() - held.verifiedAtMs, standing: standingOf(held) };
    },
    /** The mark is of before the read began: what was withdrawn meanwhile does not come back. */
    put(key: string, field: string, value: V, { epoch, atMs }: Mark): void {
      if ((withdrawn.get(key) ?? 0) >= atMs) return;
      // A new list, because the cache measures only what it has not seen.
      const others = (entries.get(key) ?? []).filter((one) => one.field !== field);
      entries.set(key, [...others, { field: shared(field), value, verifiedAtMs: atMs, epoch }]);
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
