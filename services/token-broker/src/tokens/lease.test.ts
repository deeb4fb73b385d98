import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { leaseMs, leaseRenewMs } from '../lifetimes.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { watchedStore } from '../store/store.fake.ts';
import { createLeases, type Lease } from './lease.ts';

const redisKeys = createRedisKeys(createSecretKey(Buffer.alloc(32)), 'ob:v1:');
const partition = redisKeys.account('web', 'a.b');

/** Leases over one store as several pods have them, and a clock that moves timers and the store alike. */
function pods(tick: (ms: number) => void) {
  let nowMs = 0;
  const { store, watch } = watchedStore(() => nowMs);
  return {
    watch,
    take: () => createLeases(store, redisKeys).take(partition, 't:1'),
    hold: <T>(lease: Lease, work: () => Promise<T>) => createLeases(store, redisKeys).hold(lease, work),
    /** Time passes in steps shorter than a lease lives. */
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += leaseRenewMs) {
        nowMs += leaseRenewMs;
        tick(leaseRenewMs);
        await new Promise(setImmediate);
      }
    },
  };
}
const granted = (taken: Lease | { heldForMs: number }): Lease => {
  assert.ok('fence' in taken, 'it is held');
  return taken;
};

describe('a lease', () => {
  it('is one pod’s as long as its work goes on, and free again at its end', async ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] });
    const { take, hold, pass } = pods((ms) => mock.timers.tick(ms));
    const first = granted(await take());
    const work = Promise.withResolvers<string>();
    const held = hold(first, () => work.promise);
    await pass(3 * leaseMs);
    assert.ok('heldForMs' in (await take()));
    work.resolve('done');
    assert.equal(await held, 'done');
    assert.ok(granted(await take()).fence > first.fence);
  });

  it('is free again when its work fails', async () => {
    const { take, hold } = pods(() => {});
    const lease = granted(await take());
    await assert.rejects(
      hold(lease, () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    granted(await take());
  });

  it('is given back before its holder goes on', async () => {
    const { take, hold, watch } = pods(() => {});
    const lease = granted(await take());
    const steps: string[] = [];
    watch.step = async (when, operation) => {
      for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
      steps.push(`${when} ${operation}`);
    };
    await hold(lease, async () => {});
    assert.deepEqual(steps, ['before releaseLease', 'after releaseLease']);
  });

  it('of a holder that died ends by itself', async ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] });
    const { take, pass } = pods((ms) => mock.timers.tick(ms));
    granted(await take());
    await pass(leaseMs);
    granted(await take());
  });

  it('is renewed no more once it was given back', async ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] });
    const { take, hold, pass, watch } = pods((ms) => mock.timers.tick(ms));
    await hold(granted(await take()), async () => {});
    await pass(leaseMs);
    assert.deepEqual(
      watch.writes.filter((one) => one.startsWith('renewLease')),
      [],
    );
  });

  it('does not fail its work while the store is away', async ({ mock }) => {
    mock.timers.enable({ apis: ['setInterval'] });
    const { take, hold, pass, watch } = pods((ms) => mock.timers.tick(ms));
    const lease = granted(await take());
    watch.away = true;
    const done = await hold(lease, async () => {
      await pass(leaseRenewMs);
      return 'done';
    });
    assert.equal(done, 'done');
  });
});
