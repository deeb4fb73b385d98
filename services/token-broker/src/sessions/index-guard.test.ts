import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import { assertionLifeMs, upkeepMs } from '../lifetimes.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { watchedStore } from '../store/store.fake.ts';
import { IndexGuard } from './index-guard.ts';

const logger = createLogger({ level: 'silent', service: 'test' });

function openStore() {
  const clock = { ms: 1_800_000_000_000 };
  const { store, watch } = watchedStore(() => clock.ms);
  const newKey = () => createSecretKey(randomBytes(32));
  const openPod = (index: ReturnType<typeof newKey>): IndexGuard =>
    new IndexGuard({ store, redisKeys: createRedisKeys(index, 'ob:v1:'), logger, nowMs: () => clock.ms });
  return { clock, store, watch, newKey, openPod };
}

const isReady = async (pod: IndexGuard) =>
  await Promise.resolve(pod.ready()).then(
    () => true,
    () => false,
  );

describe('the index key', () => {
  it('is the same at every pod: all serve, and nobody has left', async () => {
    const { newKey, openPod } = openStore();
    const key = newKey();
    const pods = [openPod(key), openPod(key)];
    for (const pod of pods) assert.ok(await isReady(pod));
    for (const pod of pods) assert.equal(pod.ready(), undefined, 'without a wait');
    for (const pod of pods) assert.equal(pod.everybody(), undefined);
  });

  it('that is new stops every pod that has the one before, at once, and ends everybody', async () => {
    const { newKey, openPod, clock } = openStore();
    const [old, anew] = [newKey(), newKey()];
    const late = openPod(old);
    const told: string[] = [];
    await late.check();
    late.onReplaced(() => told.push('late'));
    assert.equal(told.length, 0);
    const first = openPod(anew);
    await first.check();
    assert.equal(await isReady(late), false);
    assert.deepEqual(told, ['late']);
    late.onReplaced(() => told.push('too late'));
    assert.equal(told.length, 2);
    assert.ok(await isReady(first));
    const second = openPod(anew);
    assert.ok(await isReady(second));
    assert.deepEqual(second.everybody(), first.everybody());
    const { atSeconds = 0 } = first.everybody() ?? {};
    assert.ok(atSeconds * 1_000 >= clock.ms + 2 * upkeepMs, 'what the late ones give out until they look is of before');
    assert.ok(atSeconds * 1_000 < clock.ms + 2 * upkeepMs + 1_000, 'and what is given out later is not');
    clock.ms += atSeconds * 1_000 - clock.ms + assertionLifeMs;
    assert.equal(first.everybody(), undefined, 'no assertion lives longer');
  });

  it('that is new stops a pod that heard nothing when it next looks', async () => {
    const { newKey, openPod, store } = openStore();
    const late = openPod(newKey());
    await late.check();
    store.invalidate = async () => {};
    await openPod(newKey()).check();
    assert.ok(await isReady(late), 'until then');
    await late.check();
    assert.equal(await isReady(late), false);
  });

  it('that is new stops every pod that was current, though a lost record names none before', async () => {
    const { newKey, openPod, store } = openStore();
    const late = openPod(newKey());
    await late.check();
    await store.delete('ob:v1:index');
    const first = openPod(newKey());
    await first.check();
    await late.check();
    assert.deepEqual([await isReady(late), await isReady(first)], [false, true]);
  });

  it('is not taken over, or kept, where the store fails, which the caller hears', async () => {
    const { newKey, openPod, watch, clock } = openStore();
    const pod = openPod(newKey());
    watch.step = async (when, operation) => {
      if (when === 'before' && operation === 'replace') throw new Fault('unavailable', 'away');
    };
    await assert.rejects(pod.check(), { code: 'unavailable' });
    const { step } = watch;
    watch.step = undefined;
    assert.ok(await isReady(pod));
    watch.step = step;
    clock.ms += 3_600_000;
    await assert.rejects(pod.check(), { code: 'unavailable' });
  });

  it('of before takes nothing back, however often a pod starts with it', async () => {
    const { newKey, openPod } = openStore();
    const [old, anew] = [newKey(), newKey()];
    await openPod(old).check();
    const first = openPod(anew);
    await first.check();
    const ended = first.everybody();
    for (let i = 0; i < 3; i += 1) {
      const late = openPod(old);
      assert.equal(await isReady(late), false);
      await late.check();
    }
    await first.check();
    assert.ok(await isReady(first));
    assert.deepEqual(first.everybody(), ended);
  });

  it('is in use for one of several that start at once', async () => {
    const { newKey, openPod } = openStore();
    await openPod(newKey()).check();
    const key = newKey();
    const pods = [openPod(key), openPod(key), openPod(key)];
    assert.deepEqual(await Promise.all(pods.map(isReady)), [true, true, true]);
    assert.equal(new Set(pods.map((pod) => pod.everybody()?.id)).size, 1);
  });

  it('is not known while the store is away: nobody serves, and all do after', async () => {
    const { newKey, openPod, watch } = openStore();
    const pod = openPod(newKey());
    watch.away = true;
    await assert.rejects(Promise.resolve(pod.ready()), { code: 'unavailable' });
    watch.away = false;
    assert.ok(await isReady(pod));
    watch.away = true;
    assert.ok(await isReady(pod), 'what is known stays known');
  });

  it('stays known in a store that lost it, with the end of everybody', async () => {
    const { newKey, openPod, store } = openStore();
    await openPod(newKey()).check();
    const key = newKey();
    const pod = openPod(key);
    await pod.check();
    const ended = pod.everybody();
    await store.delete('ob:v1:index');
    await pod.check();
    assert.ok(ended);
    assert.deepEqual(pod.everybody(), ended);
    const other = openPod(key);
    await other.check();
    assert.deepEqual(other.everybody(), ended);
  });

  it('is kept while any pod is there', async () => {
    const { newKey, openPod, watch, clock } = openStore();
    const pod = openPod(newKey());
    for (let hours = 0; hours < 100; hours += 1) {
      await pod.check();
      clock.ms += 3_600_000;
    }
    assert.ok(Number(watch.ttls().get('ob:v1:index')) > assertionLifeMs);
  });
});
