import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEvents } from './channel.ts';

function open() {
  const clock = { ms: 1_000 };
  return { clock, ...createEvents(() => clock.ms) };
}

describe('the channel', () => {
  it('is down until it is up, and begins a new life each time it comes up', () => {
    const { events, up, down } = open();
    assert.deepEqual([events.epoch, events.downSinceMs], [0, 1_000]);
    up();
    up();
    assert.deepEqual([events.epoch, events.downSinceMs], [1, undefined]);
    down();
    up();
    assert.deepEqual([events.epoch, events.downSinceMs], [2, undefined]);
  });

  it('is down since it was last heard, however often that is found', () => {
    const { clock, events, up, down } = open();
    up();
    clock.ms = 5_000;
    down(4_000);
    down();
    down(4_500);
    assert.equal(events.downSinceMs, 4_000);
    up();
    clock.ms = 6_000;
    down();
    assert.equal(events.downSinceMs, 6_000);
  });

  it('was heard in each of its lives until that ended, in this one until now', () => {
    const { clock, events, up, down } = open();
    up();
    clock.ms = 2_000;
    assert.equal(events.heardUntilMs(1), 2_000);
    down(1_500);
    assert.equal(events.heardUntilMs(1), 1_500);
    up();
    clock.ms = 3_000;
    assert.deepEqual([events.heardUntilMs(1), events.heardUntilMs(2)], [1_500, 3_000]);
    assert.equal(events.heardUntilMs(7), 0);
  });

  it('forgets its oldest lives', () => {
    const { events, up, down } = open();
    for (let life = 0; life < 1_001; life += 1) {
      up();
      down();
    }
    up();
    assert.deepEqual([events.heardUntilMs(1), events.heardUntilMs(2)], [0, 1_000]);
  });

  it('tells every listener what to forget', () => {
    const { events, invalidate } = open();
    const told: string[] = [];
    for (const name of ['a', 'b']) events.onInvalidate((key) => void told.push(`${name} ${key}`));
    invalidate('k');
    assert.deepEqual(told, ['a k', 'b k']);
  });

  it('wakes all who wait for a lease, and nobody else', async () => {
    const { events, wake } = open();
    const woken: string[] = [];
    const wait = (key: string, name: string, ms = 60_000) => events.woken(key, ms).then(() => woken.push(name));
    const [one, two, other] = [wait('k', 'one'), wait('k', 'two'), wait('x', 'other')];
    wake('nobody waits');
    wake('k');
    await Promise.all([one, two]);
    assert.deepEqual(woken, ['one', 'two']);
    const again = wait('k', 'again');
    wake('k');
    await again;
    wake('x');
    await other;
    assert.deepEqual(woken, ['one', 'two', 'again', 'other']);
  });

  it('wakes who waited for as long as they wanted, and the others still', async () => {
    const { events, wake } = open();
    const long = events.woken('k', 60_000);
    await events.woken('k', 1);
    wake('k');
    await long;
  });
});
