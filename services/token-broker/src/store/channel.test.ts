import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalChannel } from './channel.ts';

function open() {
  const clock = { ms: 1_000 };
  return { clock, channel: new LocalChannel(() => clock.ms) };
}

describe('the channel', () => {
  it('is down until it is up, and begins a new life each time it comes up', () => {
    const { channel } = open();
    assert.deepEqual([channel.epoch, channel.downSinceMs], [0, 1_000]);
    channel.up();
    channel.up();
    assert.deepEqual([channel.epoch, channel.downSinceMs], [1, undefined]);
    channel.down();
    channel.up();
    assert.deepEqual([channel.epoch, channel.downSinceMs], [2, undefined]);
  });

  it('is down since it was last heard, however often that is found', () => {
    const { clock, channel } = open();
    channel.up();
    clock.ms = 5_000;
    channel.down(4_000);
    channel.down();
    channel.down(4_500);
    assert.equal(channel.downSinceMs, 4_000);
    channel.up();
    clock.ms = 6_000;
    channel.down();
    assert.equal(channel.downSinceMs, 6_000);
  });

  it('was heard in each of its lives until that ended, in this one until now', () => {
    const { clock, channel } = open();
    channel.up();
    clock.ms = 2_000;
    assert.equal(channel.heardUntilMs(1), 2_000);
    channel.down(1_500);
    assert.equal(channel.heardUntilMs(1), 1_500);
    channel.up();
    clock.ms = 3_000;
    assert.deepEqual([channel.heardUntilMs(1), channel.heardUntilMs(2)], [1_500, 3_000]);
    assert.equal(channel.heardUntilMs(7), 0);
  });

  it('forgets its oldest lives', () => {
    const { channel } = open();
    for (let life = 0; life < 1_001; life += 1) {
      channel.up();
      channel.down();
    }
    channel.up();
    assert.deepEqual([channel.heardUntilMs(1), channel.heardUntilMs(2)], [0, 1_000]);
  });

  it('tells every listener what to forget', () => {
    const { channel } = open();
    const told: string[] = [];
    for (const name of ['a', 'b']) channel.onInvalidate((key) => void told.push(`${name} ${key}`));
    channel.invalidate('k');
    assert.deepEqual(told, ['a k', 'b k']);
  });

  it('wakes all who wait for a lease, and nobody else', async () => {
    const { channel } = open();
    const woken: string[] = [];
    const wait = async (key: string, name: string) => {
      using release = channel.listenForRelease(key);
      await release.heard(60_000);
      woken.push(name);
    };
    const [one, two, other] = [wait('k', 'one'), wait('k', 'two'), wait('x', 'other')];
    channel.release('nobody waits');
    channel.release('k');
    await Promise.all([one, two]);
    assert.deepEqual(woken, ['one', 'two']);
    const again = wait('k', 'again');
    channel.release('k');
    await again;
    channel.release('x');
    await other;
    assert.deepEqual(woken, ['one', 'two', 'again', 'other']);
  });

  it('wakes who waited for as long as they wanted, and the others still', async () => {
    const { channel } = open();
    using long = channel.listenForRelease('k');
    using short = channel.listenForRelease('k');
    await short.heard(1);
    const heard = long.heard(60_000);
    channel.release('k');
    await heard;
  });

  it('wakes at once who waits after the release, if they listened before it', async () => {
    const { channel } = open();
    using release = channel.listenForRelease('k');
    channel.release('k');
    await release.heard(60_000);
  });
});
