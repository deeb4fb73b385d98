import { LRUCache } from 'lru-cache';
import { sessionRecheckMs } from '../lifetimes.ts';
import type { Channel } from './store.ts';

/** A field of a key, linked to the other fields of that key: one object to read, where an array would be three. */
type Held<V> = {
  field: string;
  value: V;
  /** Since this L1 was made: a small integer, which needs no object of its own. */
  verifiedMs: number;
  epoch: number;
  next: Held<V> | undefined;
};

/** The time and the epoch of the channel at which a read of the store began. */
export type ReadStart = { epoch: number; atMs: number };

/** `fresh`: may serve. `stale`: may serve only while the store cannot be asked. `expired`: may not serve. */
export type Freshness = 'fresh' | 'stale' | 'expired';

type L1Options = {
  maxBytes: number;
  /** How long an entry may serve after the channel went down, while the store cannot be asked. */
  maxUnverifiedMs: number;
  channel: Channel;
  nowMs: () => number;
};

/** An entry's share besides its own bytes and its field's: key, slots, objects. */
const overheadBytes = 400;

/**
 * Values that this process read from the store, by key and field, bounded by bytes. The channel withdraws an entry: an
 * entry is fresh while the channel has been up since the read, and for `sessionRecheckMs` after the channel was last
 * heard. In an outage of the store it may serve for `maxUnverifiedMs`.
 */
export function createL1<V>(
  { maxBytes, maxUnverifiedMs, channel, nowMs }: L1Options,
  countBytes: (value: V) => number,
) {
  const beganMs = nowMs();
  // A key has few fields, mostly one. A hit spends most of its time on reads of memory that the processor has not cached.
  const entries = new LRUCache<string, Held<V>>({
    maxSize: maxBytes,
    sizeCalculation: (first) => {
      let bytes = 0;
      for (const { field, value } of listed(first)) bytes += field.length + countBytes(value) + overheadBytes;
      return bytes;
    },
  });
  // Most requests are for the same few tokens: sharing one string saves memory and is faster. Room is taken as they come.
  const fieldNames = new LRUCache<string, string>({ maxSize: 1_000, sizeCalculation: () => 1 });
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
  channel.onInvalidate(withdraw);

  function checkFreshness({ verifiedMs, epoch }: Held<V>): Freshness {
    const confirmedAtMs = Math.max(beganMs + verifiedMs, channel.heardUntilMs(epoch));
    const silentMs = nowMs() - confirmedAtMs;
    if (silentMs > maxUnverifiedMs) return 'expired';
    // Between two epochs of the channel a message may have been missed.
    return epoch === channel.epoch && silentMs <= sessionRecheckMs ? 'fresh' : 'stale';
  }

  return {
    /** A value, its age since it was read from the store, and how fresh it is. */
    get(key: string, field: string): { value: V; ageMs: number; freshness: Freshness } | undefined {
      let held = entries.get(key);
      while (held && held.field !== field) held = held.next;
      if (!held) return undefined;
      return { value: held.value, ageMs: nowMs() - beganMs - held.verifiedMs, freshness: checkFreshness(held) };
    },
    /** Adds a value of the read that began at this `startRead`, unless its key was withdrawn since. */
    put(key: string, field: string, value: V, { epoch, atMs }: ReadStart): void {
      if ((withdrawn.get(key) ?? 0) >= atMs) return;
      let next: Held<V> | undefined;
      for (const other of listed(entries.get(key))) if (other.field !== field) next = { ...other, next };
      entries.set(key, { field: shared(field), value, verifiedMs: atMs - beganMs, epoch, next });
    },
    withdraw,
    /** Called before a read of the store; its result is given to `put` after the read. */
    startRead: (): ReadStart => ({ epoch: channel.epoch, atMs: nowMs() }),
    get bytes() {
      return entries.calculatedSize;
    },
  };
}

function* listed<V>(first: Held<V> | undefined): Generator<Held<V>> {
  for (let held = first; held; held = held.next) yield held;
}

export type L1<V> = ReturnType<typeof createL1<V>>;
