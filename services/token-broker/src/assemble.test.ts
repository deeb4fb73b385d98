import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { type FakeBroker, openBroker } from './grants/broker.fake.ts';
import { endingDueSeconds } from './lifetimes.ts';

describe('the broker, put together,', () => {
  let broker: FakeBroker;
  beforeEach(async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    broker = await openBroker({ L1_MAX_UNVERIFIED_SECONDS: '30', L1_MAX_BYTES: '1048576' });
  });
  afterEach(async () => {
    mock.timers.reset();
    await broker[Symbol.asyncDispose]();
  });

  it('serves what it remembers while store and channel are away, for as long as it is configured', async () => {
    const session = await broker.signIn();
    const statuses = async () => {
      const exchanged = await broker.post('/oauth2/token', 'web', broker.exchangeGrant(session));
      const introspected = await broker.post('/oauth2/introspect', 'web', { token: session });
      return [exchanged.status, introspected.status];
    };
    assert.deepEqual(await statuses(), [200, 200]);
    broker.watch.away = true;
    broker.watch.channel.down();
    mock.timers.tick(30_000);
    assert.deepEqual(await statuses(), [200, 200]);
    mock.timers.tick(1);
    assert.deepEqual(await statuses(), [503, 503]);
    await assert.rejects(broker.upkeep(), { code: 'unavailable' });
  });

  it('remembers tokens up to three quarters of the bytes it is configured for', async () => {
    for (const [bytes, status] of [
      [700_000, 200],
      [900_000, 503],
    ] as const) {
      broker.entra.write = () => 'x'.repeat(bytes);
      const session = await broker.signIn();
      const exchange = async () => (await broker.post('/oauth2/token', 'web', broker.exchangeGrant(session))).status;
      assert.equal(await exchange(), 200);
      broker.watch.away = true;
      assert.equal(await exchange(), status);
      broker.watch.away = false;
    }
  });

  it('completes by its upkeep a sign-out that broke off', async () => {
    const session = await broker.signIn();
    broker.watch.step = async (when, operation) => {
      if (when === 'after' && operation === 'replace') broker.watch.away = true;
    };
    assert.equal((await broker.post('/oauth2/revoke', 'web', { token: session })).status, 503);
    Object.assign(broker.watch, { step: undefined, away: false });
    mock.timers.tick(endingDueSeconds * 1_000);
    const confirmed = () => broker.lines.filter((line) => line.includes('audit.session_ended')).length;
    assert.equal(confirmed(), 0);
    await broker.upkeep();
    assert.equal(confirmed(), 1);
  });

  it('serves nobody once another index key is in use, and finds that out by its upkeep', async () => {
    const { redisKeys, store } = broker;
    const session = await broker.signIn();
    const exchange = async () => (await broker.post('/oauth2/token', 'web', broker.exchangeGrant(session))).status;
    assert.equal(await exchange(), 200);
    const record = JSON.stringify({ current: 'another', former: [redisKeys.fingerprint] });
    await store.replace(redisKeys.index, await store.get(redisKeys.index), Buffer.from(record), 60_000);
    await broker.upkeep();
    assert.equal(await exchange(), 503);
  });
});
