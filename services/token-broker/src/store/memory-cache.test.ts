import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalChannel } from './channel.ts';
import { createL1 } from './memory-cache.ts';

function open({ maxBytes = 1_000_000, maxUnverifiedMs = 60_000 } = {}) {
  const clock = { ms: 1_000_000 };
  const nowMs = () => clock.ms;
  const channel = new LocalChannel(nowMs);
  channel.up();
  const l1 = createL1<string>({ maxBytes, maxUnverifiedMs, channel, nowMs }, (value) => value.length);
  /** Reads the store at once. */
  const put = (key: string, field: string, value: string) => l1.put(key, field, value, l1.startRead());
  const value = (key: string, field = 'f') => {
    const held = l1.get(key, field);
    return held?.freshness === 'fresh' ? held.value : undefined;
  };
  const freshness = (key: string) => l1.get(key, 'f')?.freshness;
  return { clock, channel, l1, put, value, freshness };
}

describe('L1', () => {
  it('gives what was put, by key and field, with its age', () => {
    const { l1, put, clock, value } = open();
    clock.ms += 7;
    put('k', 'f', 'one');
    put('k', 'g', 'two');
    clock.ms += 5;
    assert.deepEqual(
      [value('k', 'f'), value('k', 'g'), value('k', 'h'), value('x', 'f')],
      ['one', 'two', undefined, undefined],
    );
    assert.equal(l1.get('k', 'f')?.ageMs, 5);
  });

  it('stays within its bytes, whatever is put into it: values, fields, keys', () => {
    const { l1, put } = open({ maxBytes: 100_000 });
    for (let i = 0; i < 2_000; i += 1) put(`k${i % 50}`, `f${i % 7}`, 'x'.repeat(i % 3_000));
    assert.ok(l1.bytes <= 100_000);
    for (let i = 0; i < 100; i += 1) put('k', `${i}`.padEnd(8_000), 'x');
    assert.ok(l1.bytes <= 100_000);
    const { l1: named, put: putNamed } = open({ maxBytes: 100_000 });
    for (let i = 0; i < 10; i += 1) putNamed('k', `${i}`.padEnd(8_000), 'x');
    assert.ok(named.bytes >= 80_000, 'names of 8 KB are counted');
  });

  it('keeps one value of a field, however often it is put', () => {
    const { l1, put, value } = open();
    put('k', 'g', 'other');
    put('k', 'f', 'one');
    const { bytes } = l1;
    for (let i = 0; i < 10; i += 1) put('k', 'f', 'two');
    assert.equal(l1.bytes, bytes);
    assert.deepEqual([value('k', 'f'), value('k', 'g')], ['two', 'other']);
  });

  it('forgets a key when anybody says so', () => {
    const { channel, put, value } = open();
    put('k', 'f', 'one');
    put('other', 'f', 'two');
    channel.invalidate('k');
    assert.deepEqual([value('k'), value('other')], [undefined, 'two']);
  });

  it('does not take what was withdrawn while it was read', () => {
    const { l1, channel, clock, put, value } = open();
    const readStart = l1.startRead();
    channel.invalidate('k');
    l1.put('k', 'f', 'late', readStart);
    assert.equal(value('k'), undefined);
    clock.ms += 1;
    put('k', 'f', 'new');
    assert.equal(value('k'), 'new');
  });

  it('serves for its bound while the channel is down, and no longer', () => {
    const { channel, clock, put, value, freshness } = open();
    put('k', 'f', 'one');
    clock.ms += 600_000;
    assert.equal(value('k'), 'one', 'the channel is up: no bound');
    channel.down();
    clock.ms += 60_000;
    assert.notEqual(freshness('k'), 'expired');
    clock.ms += 1;
    assert.equal(freshness('k'), 'expired');
    put('k', 'f', 'two');
    clock.ms += 60_000;
    assert.notEqual(freshness('k'), 'expired', 'what was read since counts from its reading');
    clock.ms += 1;
    assert.equal(freshness('k'), 'expired');
  });

  it('is to be confirmed by the store ten seconds after the channel was last heard', () => {
    const { channel, clock, put, freshness } = open();
    put('k', 'f', 'one');
    clock.ms += 600_000;
    channel.down(clock.ms - 2_000);
    assert.equal(freshness('k'), 'fresh');
    clock.ms += 8_000;
    assert.equal(freshness('k'), 'fresh');
    clock.ms += 1;
    assert.equal(freshness('k'), 'stale');
    put('k', 'f', 'one');
    clock.ms += 10_000;
    assert.equal(freshness('k'), 'fresh');
    clock.ms += 1;
    assert.equal(freshness('k'), 'stale');
  });

  it('trusts nothing of a former life of the channel: a message may have been missed', () => {
    const { l1, channel, clock, put, value, freshness } = open();
    put('k', 'f', 'one');
    const readStart = l1.startRead();
    channel.down();
    channel.up();
    l1.put('x', 'f', 'read before', readStart);
    assert.deepEqual([freshness('k'), freshness('x')], ['stale', 'stale']);
    clock.ms += 60_001;
    assert.deepEqual([freshness('k'), freshness('x')], ['expired', 'expired']);
    put('k', 'f', 'two');
    assert.equal(value('k'), 'two');
  });

  it('serves nothing unverified when its bound is 0', () => {
    const { channel, clock, put, value } = open({ maxUnverifiedMs: 0 });
    put('k', 'f', 'one');
    channel.down();
    clock.ms += 1;
    assert.equal(value('k'), undefined);
  });
});
