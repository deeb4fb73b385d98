import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { record } from '../../tools/run/figures.ts';
import { openSystem } from '../kit/system/open.ts';
import { appScope } from '../kit/system/registrations.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

/** The three grants that acquire a token, each as a request to one of the brokers. */
type Ask = (broker: number) => Promise<BrokerResponse>;

const grantNames = ['refresh_token', 'on_behalf_of', 'client_credentials'] as const;
const inWords = {
  refresh_token: 'silent refresh',
  on_behalf_of: 'on behalf of',
  client_credentials: 'client credentials',
} as const;
let system: System;
let people = 0;

before(async () => {
  system = await openSystem({ name: 'broker-stampede', brokers: 3, people: 40 });
  // A burst that meets cold processes measures how fast they warm up.
  const session = await system.signIn('alice');
  for (let i = 0; i < 300; i += 1) await system.exchange(i % 3, session);
});
after(() => system.close());

/** Fresh partitions of every grant: a new session, a new assertion; an app's token has to be forgotten first. */
async function fresh(): Promise<Record<(typeof grantNames)[number], Ask>> {
  await system.admin('DELETE', '/faults');
  people += 2;
  const session = await system.signIn(person(people));
  const caller = await system.signIn(person(people - 1));
  const assertion = String((await system.exchange(0, caller)).body.access_token);
  await forgetAppTokens();
  await system.admin('DELETE', '/counters');
  return {
    refresh_token: (broker) => system.exchange(broker, session),
    on_behalf_of: (broker) => system.onBehalfOf(broker, assertion),
    client_credentials: (broker) =>
      system.post(broker, '/oauth2/token', { grant_type: 'client_credentials', scope: appScope }, 'job'),
  };
}

const person = (n: number) => `load${String(n).padStart(5, '0')}`;

async function forgetAppTokens(): Promise<void> {
  for (const key of await system.keys('app:*')) {
    await system.redisCommand(['DEL', key]);
    await system.redisCommand(['PUBLISH', `${system.redisPrefix}events`, `i:${key}`]);
  }
  // The brokers hear it in a moment; nothing else tells when.
  await delay(200);
}

async function contents(): Promise<unknown[]> {
  const accounts = await system.keys('account:*');
  return await Promise.all(accounts.map((key) => system.redisCommand(['HGETALL', key])));
}

const slowly = (delayMs: number) => system.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs }]);
const hundredEach = (ask: Ask) => Promise.all(Array.from({ length: 300 }, (_, i) => ask(i % 3)));

/** Their bursts do not meet, but their waits do. */
const eachAfterTheOther = (work: (name: (typeof grantNames)[number]) => Promise<void>) =>
  Promise.all(
    grantNames.map(async (name, place) => {
      await delay(place * 800);
      await work(name);
    }),
  );

/** How often the most frequent of these values is there; absent ones do not count. */
function mostFrequent(values: unknown[]): number {
  const counts = new Map<unknown, number>();
  for (const value of values.filter((one) => one !== undefined)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

describe('three brokers over one Redis', () => {
  for (const seconds of [0.5, 3, 7] as const) {
    it(`acquire one token for 300 concurrent callers of each grant while Entra takes ${seconds} s`, async () => {
      const asks = await fresh();
      await slowly(seconds * 1_000);
      let served = 0;
      const late: number[] = [];
      await eachAfterTheOther(async (name) => {
        const answers = await hundredEach(asks[name]);
        served += mostFrequent(answers.map(({ status, body }) => (status === 200 ? body.access_token : undefined)));
        const ms = answers.map((answer) => answer.ms - seconds * 1_000).sort((a, b) => a - b);
        late.push(ms[Math.floor(ms.length * 0.99)] ?? Number.NaN);
      });
      for (const name of grantNames) {
        record(`${inWords[name]}, Entra ${seconds} s: calls for 300 callers`, await system.calls(name));
      }
      record(`Entra ${seconds} s: of 900 callers, those with the one token of their grant`, served);
      record(`Entra ${seconds} s: what 99 % of the callers wait beyond it`, Math.max(...late));
    });
  }

  it('answer 503 after one call, without a storm, while Entra takes longer than the deadline', async () => {
    const asks = await fresh();
    await slowly(12_000);
    let [refused, slowestMs] = [0, 0];
    await eachAfterTheOther(async (name) => {
      const answers = await hundredEach(asks[name]);
      refused += answers.filter(
        ({ status, headers }) => status === 503 && Number(headers.get('retry-after')) >= 1,
      ).length;
      slowestMs = Math.max(slowestMs, ...answers.map(({ ms }) => ms));
      const again = await asks[name](1);
      assert.equal(again.status, 503, 'the refusal is remembered');
      assert.ok(again.ms < 1_000);
    });
    await system.admin('DELETE', '/faults');
    // A call is counted when it ends; those three end 12 s after they began.
    await system.until(async () => (await system.calls()) >= 3);
    for (const name of grantNames) {
      record(`${inWords[name]}, Entra 12 s: calls for 300 callers`, await system.calls(name));
    }
    record('Entra 12 s: of 900 callers, those told 503 with Retry-After', refused);
    record('Entra 12 s: slowest answer', slowestMs / 1_000);
  });

  it('take over from a holder that is killed, with at most two calls, and answer every caller', async () => {
    const asks = await fresh();
    const victim = await system.startBroker();
    const index = system.brokers.push(victim) - 1;
    await slowly(1_500);
    const lost = asks.refresh_token(index).catch(() => undefined);
    await system.until(async () => (await system.keys('lease:*')).length > 0);
    const others = [0, 1, 2].flatMap((broker) => Array.from({ length: 20 }, () => asks.refresh_token(broker)));
    victim.child.process.kill('SIGKILL');
    const answers = await Promise.all(others);
    await lost;
    system.brokers.pop();
    record('lease holder killed: of 60 callers, those served', answers.filter(({ status }) => status === 200).length);
    record('lease holder killed: calls', await system.calls('refresh_token'));
    const slowestMs = Math.max(...answers.map(({ ms }) => ms));
    record('lease holder killed: slowest answer (lease 3 s, Entra 1.5 s)', slowestMs / 1_000);
  });

  it('refuse the late write of a holder that was paused past its lease', async () => {
    const asks = await fresh();
    const sleeper = await system.startBroker();
    const index = system.brokers.push(sleeper) - 1;
    await system.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 1_000, count: 1 }]);
    const late = asks.refresh_token(index);
    await system.until(async () => (await system.keys('lease:*')).length > 0);
    sleeper.child.process.kill('SIGSTOP');
    await system.until(async () => (await system.keys('lease:*')).length === 0);
    const taken = await asks.refresh_token(0);
    assert.equal(taken.status, 200);
    const before = await contents();
    sleeper.child.process.kill('SIGCONT');
    const first = await late;
    // It may find that it slept longer than its connection to Redis lives: then it says so once, or what it got is given
    // and not written.
    const log = await readFile(sleeper.child.logFile, 'utf8');
    const asleep = first.status === 503 || log.includes('token.unsaved');
    const resumed = asleep ? await asks.refresh_token(index) : first;
    assert.equal(resumed.body.access_token, taken.body.access_token, 'the newer token serves, not the late one');
    const after = await contents();
    assert.equal(after.length, before.length);
    const changed = after.filter((content, i) => !isDeepStrictEqual(content, before[i])).length;
    record('lease holder paused past its lease: values it still changed', changed);
    await sleeper.child[Symbol.asyncDispose]();
    system.brokers.pop();
  });

  it('redeem a code once, however often it is sent at once', async () => {
    await system.admin('DELETE', '/faults');
    const { fields } = await system.startSignIn('bob');
    await system.admin('DELETE', '/counters');
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => system.post(i % 3, '/oauth2/token', fields)),
    );
    record('a code sent 60 times at once: sessions', answers.filter(({ status }) => status === 200).length);
    assert.equal(answers.filter((answer) => answer.body.error === 'invalid_grant').length, 59);
    assert.equal(await system.calls('authorization_code'), 1);
  });

  it('leave no key without a TTL', async () => {
    record('keys without an end after the stampedes', (await system.immortalKeys()).length);
  });
});
