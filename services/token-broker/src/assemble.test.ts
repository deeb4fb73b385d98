import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { type FakeBroker, openBroker } from './grants/broker.fake.ts';

describe('the broker, put together,', () => {
  let broker: FakeBroker;
  before(async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    broker = await openBroker({ L1_MAX_UNVERIFIED_SECONDS: '30' });
  });
  after(async () => {
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
  });
});
