import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, appScope, type Fleet, grants, graphScope, openFleet } from './fleet.ts';

/** The three grants that buy a token, each as a request to one of the brokers. */
type Ask = (broker: number) => Promise<Answer>;

const grantNames = ['refresh_token', 'on_behalf_of', 'client_credentials'] as const;
let fleet: Fleet;
let people = 0;

before(async () => {
  fleet = await openFleet({ name: 'broker-stampede', brokers: 3, people: 40 });
});
after(() => fleet[Symbol.asyncDispose]());

/** Fresh partitions of every grant: a new session, a new assertion; an app's token has to be forgotten first. */
async function fresh(): Promise<Record<(typeof grantNames)[number], Ask>> {
  await fleet.admin('DELETE', '/faults');
  people += 2;
  const session = await fleet.signIn(person(people));
  const caller = await fleet.signIn(person(people - 1));
  const assertion = String((await fleet.exchange(0, caller)).body.access_token);
  await forgetAppTokens();
  await fleet.admin('DELETE', '/counters');
  const onBehalfOf = {
    grant_type: grants.jwtBearer,
    assertion,
    requested_token_use: 'on_behalf_of',
    scope: graphScope,
  };
  return {
    refresh_token: (broker) => fleet.exchange(broker, session),
    on_behalf_of: (broker) => fleet.post(broker, '/oauth2/token', onBehalfOf, 'api'),
    client_credentials: (broker) =>
      fleet.post(broker, '/oauth2/token', { grant_type: 'client_credentials', scope: appScope }, 'job'),
  };
}

const person = (n: number) => `load${String(n).padStart(5, '0')}`;

async function forgetAppTokens(): Promise<void> {
  for (const key of await fleet.keys('app:*')) {
    await fleet.redisCommand(['DEL', key]);
    await fleet.redisCommand(['PUBLISH', `${fleet.prefix}events`, `i:${key}`]);
  }
  // The brokers hear it in a moment; nothing else tells when.
  await delay(200);
}

async function contents(): Promise<unknown[]> {
  const accounts = await fleet.keys('account:*');
  return await Promise.all(accounts.map((key) => fleet.redisCommand(['HGETALL', key])));
}

const slowly = (delayMs: number) => fleet.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs }]);
const hundredEach = (ask: Ask) => Promise.all(Array.from({ length: 300 }, (_, i) => ask(i % 3)));

describe('three brokers over one Redis', () => {
  for (const delayMs of [500, 3_000, 7_000]) {
    it(`buy one token for 300 concurrent callers of each grant while Entra takes ${delayMs} ms`, async (t) => {
      const asks = await fresh();
      await slowly(delayMs);
      await Promise.all(
        grantNames.map(async (name) => {
          const answers = await hundredEach(asks[name]);
          assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]), name);
          assert.equal(new Set(answers.map((answer) => answer.body.access_token)).size, 1, name);
          assert.equal(await fleet.calls(name), 1, name);
          const sorted = answers.map((answer) => answer.ms).sort((a, b) => a - b);
          t.diagnostic(`${name}: 300 callers, 1 call, slowest ${Math.round(sorted.at(-1) ?? 0)} ms`);
        }),
      );
    });
  }

  it('answer 503 after one call, without a storm, while Entra takes longer than the deadline', async () => {
    const asks = await fresh();
    await slowly(12_000);
    await Promise.all(
      grantNames.map(async (name) => {
        const answers = await hundredEach(asks[name]);
        assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([503]), name);
        assert.ok(answers.every((answer) => Number(answer.headers.get('retry-after')) >= 1));
        assert.ok(answers.every((answer) => answer.ms < 10_000));
        const again = await asks[name](1);
        assert.equal(again.status, 503, 'the refusal is remembered');
        assert.ok(again.ms < 1_000);
      }),
    );
    await fleet.admin('DELETE', '/faults');
    // A call is counted when it ends; those three end 12 s after they began.
    while ((await fleet.calls()) < 3) await delay(100);
    for (const name of grantNames) assert.equal(await fleet.calls(name), 1, name);
  });

  it('take over from a holder that is killed, with at most two calls, and answer every caller', async (t) => {
    const asks = await fresh();
    const victim = await fleet.startBroker();
    const index = fleet.brokers.push(victim) - 1;
    await slowly(1_500);
    const lost = asks.refresh_token(index).catch(() => undefined);
    await fleet.until(async () => (await fleet.keys('lease:*')).length > 0);
    const startedMs = performance.now();
    const others = [0, 1, 2].flatMap((broker) => Array.from({ length: 20 }, () => asks.refresh_token(broker)));
    victim.child.process.kill('SIGKILL');
    const answers = await Promise.all(others);
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 3_000 + 1_500 + 1_000, `the survivors waited ${tookMs} ms`);
    assert.ok((await fleet.calls('refresh_token')) <= 2);
    t.diagnostic(`survivors answered after ${Math.round(tookMs)} ms`);
    await lost;
    fleet.brokers.pop();
  });

  it('refuse the late write of a holder that was paused past its lease', async () => {
    const asks = await fresh();
    const sleeper = await fleet.startBroker();
    const index = fleet.brokers.push(sleeper) - 1;
    await fleet.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 1_000, count: 1 }]);
    const late = asks.refresh_token(index);
    await fleet.until(async () => (await fleet.keys('lease:*')).length > 0);
    sleeper.child.process.kill('SIGSTOP');
    await fleet.until(async () => (await fleet.keys('lease:*')).length === 0);
    const taken = await asks.refresh_token(0);
    assert.equal(taken.status, 200);
    const before = await contents();
    sleeper.child.process.kill('SIGCONT');
    const resumed = await late;
    assert.equal(resumed.status, 200);
    assert.equal(resumed.body.access_token, taken.body.access_token, 'the newer token serves, not the late one');
    assert.deepEqual(await contents(), before, 'nothing of the late holder was written');
    await sleeper.child[Symbol.asyncDispose]();
    fleet.brokers.pop();
  });

  it('redeem a code once, however often it is sent at once', async () => {
    await fleet.admin('DELETE', '/faults');
    const { fields } = await fleet.startSignIn('bob');
    await fleet.admin('DELETE', '/counters');
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => fleet.post(i % 3, '/oauth2/token', fields)));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.body.error === 'invalid_grant').length, 59);
    assert.equal(await fleet.calls('authorization_code'), 1);
  });

  it('leave no key without a TTL', async () => {
    for (const key of await fleet.keys('*')) assert.notEqual(await fleet.redisCommand(['TTL', key]), -1, key);
  });
});
