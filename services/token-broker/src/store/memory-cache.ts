import { LRUCache } from 'lru-cache';
import { sessionRecheckMs } from '../lifetimes.ts';
import type { Events } from './store.ts';

/** One field of a key, and the key's others behind it: one object to reach where an array is three. */
type Held<V> = {
  field: string;
  value: V;
  /** Since this L1 began: small enough to need no object. */
  verifiedMs: number;
  epoch: number;
  next: Held<V> | undefined;
};

/** When, and in which life of the channel, a read of the store began. */
export type Mark = { epoch: number; atMs: number };

/** `trusted`: may serve. `unverified`: the store is to be asked; may serve if it cannot be. `lapsed`: the bound is over. */
export type Standing = 'trusted' | 'unverified' | 'lapsed';

type L1Options = {
  maxBytes: number;
  /** How long an entry may serve after the channel that would withdraw it went down, while the store cannot be asked. */
  maxUnverifiedMs: number;
  events: Events;
  nowMs: () => number;
};

/** An entry's share besides its own bytes and its field's: key, slots, objects. */
const overheadBytes = 400;

/**
 * What this process learnt, by key and field, bounded by bytes. An entry is trusted while the channel that would
 * withdraw it has been up ever since it was read, and for `sessionRecheckMs` after that channel was last heard; it may
 * serve in an outage of the store for `maxUnverifiedMs`.
 */
export function createL1<V>({ maxBytes, maxUnverifiedMs, events, nowMs }: L1Options, sizeOf: (value: V) => number) {
  const beganMs = nowMs();
  // A key has few fields, mostly one. Most of a hit's time is spent on reaching what is not in the processor's cache.
  const entries = new LRUCache<string, Held<V>>({
    maxSize: maxBytes,
    sizeCalculation: (first) => {
      let bytes = 0;
      for (const { field, value } of listed(first)) bytes += field.length + sizeOf(value) + overheadBytes;
      return bytes;
    },
  });
  // All people ask for the same few things: one string for all is smaller, and near when it is compared.
  const fieldNames = new LRUCache<string, string>({ max: 1_000 });
  function shared(field: string): string {
    const known = fieldNames.get(field);
    if (known === undefined) fieldNames.set(field, field);
    return known ?? field;
  }
  const withdrawn = new LRUCache<string, number>({ maxSize: 10_000, sizeCalculation: () => 1 });
  function withdraw(key: string): void {
    entries.delete(key);
    withdrawn.set(key, nowMs());
  }
  events.onInvalidate(withdraw);

  function standingOf({ verifiedMs, epoch }: Held<V>): Standing {
    const confirmedAtMs = Math.max(beganMs + verifiedMs, events.heardUntilMs(epoch));
    const silentMs = nowMs() - confirmedAtMs;
    if (silentMs > maxUnverifiedMs) return 'lapsed';
    // Between two lives of the channel a message may have been missed.
    return epoch === events.epoch && silentMs <= sessionRecheckMs ? 'trusted' : 'unverified';
  }

  return {
    /** A value, its age since it was read from the store, and what it is good for now. */
    get(key: string, field: string): { value: V; ageMs: number; standing: Standing } | undefined {
      let held = entries.get(key);
      while (held && held.field !== field) held = held.next;
      if (!held) return undefined;
      return { value: held.value, ageMs: nowMs() - beganMs - held.verifiedMs, standing: standingOf(held) };
    },
    /** The mark is of before the read began: what was withdrawn meanwhile does not come back. */
    put(key: string, field: string, value: V, { epoch, atMs }: Mark): void {
      if ((withdrawn.get(key) ?? 0) >= atMs) return;
      let next: Held<V> | undefined;
      for (const other of listed(entries.get(key))) if (other.field !== field) next = { ...other, next };
      entries.set(key, { field: shared(field), value, verifiedMs: atMs - beganMs, epoch, next });
    },
    withdraw,
    /** Taken before a read of the store, given to `put` after it. */
    mark: (): Mark => ({ epoch: events.epoch, atMs: nowMs() }),
    get bytes() {
      return entries.calculatedSize;
    },
  };
}

function* listed<V>(first: Held<V> | undefined): Generator<Held<V>> {
  for (let held = first; held; held = held.next) yield held;
}

export type L1<V> = ReturnType<typeof createL1<V>>;
