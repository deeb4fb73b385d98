import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { refusal as refused } from '../entra/entra.fake.ts';
import type { EntraClass, Refusal } from '../entra/entra-errors.ts';
import { refusalSeconds } from '../lifetimes.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { createSealing } from '../store/sealing.ts';
import { watchedStore } from '../store/store.fake.ts';
import { Refusals } from './refusals.ts';

function open(random = () => 0) {
  const clock = { ms: 1_000_000 };
  const nowMs = () => clock.ms;
  const { store, watch } = watchedStore(nowMs);
  const redisKeys = createRedisKeys(createSecretKey(randomBytes(32)), 'ob:v1:');
  const ring = { current: 'k1', keys: new Map([['k1', createSecretKey(randomBytes(32))]]) };
  const sealing = createSealing(() => ring);
  const refusals = new Refusals(store, redisKeys, sealing, nowMs, random);
  return {
    ...{ clock, watch },
    remember: refusals.remember.bind(refusals),
    recall: refusals.recall.bind(refusals),
    toFault: refusals.toFault.bind(refusals),
  };
}
const refusal = (name: EntraClass, more: Partial<Refusal> = {}): Refusal => refused(name, more).refusal;
const about = (more: object = {}) => ({
  ...{ throttleKey: 'account:{a}', partition: 'account:{a}', plainField: 't:read', field: 't:read' },
  ...more,
});

describe('a refusal', () => {
  for (const [name, seconds] of Object.entries(refusalSeconds)) {
    it(`of the class ${name} stands for ${seconds} s, and is kept no longer`, async () => {
      const { clock, watch, remember, recall } = open();
      await remember(about(), refusal(name as EntraClass), undefined);
      assert.deepEqual([...watch.ttls().values()], [seconds * 1_000]);
      clock.ms += seconds * 1_000 - 1;
      assert.equal((await recall(about(), undefined))?.refusal.class, name);
      clock.ms += 1;
      assert.equal(await recall(about(), undefined), undefined);
    });
  }

  it('is of one token of one partition, and of one sign-in', async () => {
    const { remember, recall } = open();
    await remember(about(), refusal('consent'), 'first');
    assert.ok(await recall(about(), 'first'));
    for (const [other, signIn] of [
      [about(), 'second'],
      [about(), undefined],
      [about({ partition: 'account:{b}' }), 'first'],
      [about({ plainField: 't:write', field: 't:write' }), 'first'],
      [about({ field: 't:c:read' }), 'first'],
    ] as const)
      assert.equal(await recall(other, signIn), undefined);
  });

  it('with claims stands beside the one without', async () => {
    const { remember, recall } = open();
    const claims = about({ field: 't:c:read' });
    await remember(about(), refusal('consent'), undefined);
    await remember(claims, refusal('interaction'), undefined);
    const classes = [await recall(about(), undefined), await recall(claims, undefined)].map(
      (one) => one?.refusal.class,
    );
    assert.deepEqual(classes, ['consent', 'interaction']);
  });

  it('that asks to wait is of all that has its throttle key and scope, with claims or not', async () => {
    const { remember, recall } = open();
    await remember(about(), refusal('throttled'), 'first');
    for (const same of [about({ field: 't:c:read' }), about({ partition: 'obo:{x}' })]) {
      assert.ok(await recall(same, 'second'));
    }
    for (const other of [about({ throttleKey: 'account:{b}' }), about({ plainField: 't:write' })]) {
      assert.equal(await recall(other, 'first'), undefined);
    }
  });

  it('is not remembered where the store fails, which is told', async () => {
    const { watch, remember } = open();
    for (const name of ['consent', 'throttled', 'transient'] as const) {
      watch.step = async (when, operation) => {
        if (when === 'before' && operation === 'set') throw new Fault('unavailable', 'away');
      };
      await assert.rejects(remember(about(), refusal(name), undefined), { code: 'unavailable' });
    }
  });
});

describe('a pause', () => {
  it('after an outage is up to a fifth shorter, by chance; one that Entra asks for is not', async () => {
    const lasts = async (random: number, one: Refusal) => {
      const { clock, remember } = open(() => random);
      return (await remember(about(), one, undefined)).untilMs - clock.ms;
    };
    const loop = refusal('throttled', { members: { error_codes: [50196] } });
    for (const [random, outageMs] of [
      [0, 5_000],
      [0.5, 4_500],
      [1, 4_000],
    ] as const) {
      assert.equal(await lasts(random, refusal('transient')), outageMs);
      assert.equal(await lasts(random, refusal('transient', { retryAfterSeconds: 7 })), 7_000);
      assert.equal(await lasts(random, refusal('throttled')), 60_000);
      assert.equal(await lasts(random, refusal('throttled', { retryAfterSeconds: 7 })), 7_000);
      assert.equal(await lasts(random, loop), 60_000);
    }
  });

  it('counts as one in a row for as long again as it lasts, and is kept so long', async () => {
    for (const [laterMs, nextMs] of [
      [9_999, 10_000],
      [10_000, 5_000],
    ] as const) {
      const { clock, watch, remember } = open();
      await remember(about(), refusal('transient'), undefined);
      assert.deepEqual([...watch.ttls().values()], [10_000]);
      clock.ms += laterMs;
      assert.equal((await remember(about(), refusal('transient'), undefined)).untilMs - clock.ms, nextMs);
    }
  });

  it('tells when to come back, a second from now at least', async () => {
    const { clock, remember, toFault } = open();
    const paused = await remember(about(), refusal('throttled'), undefined);
    clock.ms += 20_000;
    assert.equal(toFault(paused).retryAfterSeconds, 40);
    clock.ms += 39_900;
    assert.equal(toFault(paused).retryAfterSeconds, 1);
    assert.equal(toFault(await remember(about(), refusal('consent'), undefined)).retryAfterSeconds, undefined);
  });
});
