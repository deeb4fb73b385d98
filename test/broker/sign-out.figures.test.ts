import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '@onbehalf/chassis/life/random';
import { decodeJwt } from 'jose';
import { record } from '../../tools/run/figures.ts';
import { tokenHead } from '../attack/canaries.ts';
import { openRedisInspector } from '../kit/redis/inspector.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, consentedWeb, graphScope } from '../kit/system/registrations.ts';
import type { BrokerResponse } from '../kit/system/system.ts';

const interleavings = 200;
const atOnce = 20;
/** The longest that Entra takes in these tests. */
const longestMs = 60;
const brokers = [0, 1, 2];
const withSid = { idToken: ['sid'], accessToken: [] };

const system = await openSystem({
  name: 'broker-sign-out',
  brokers: 3,
  people: interleavings,
  seed: (usual) => consentedWeb(usual, [apiScope, graphScope], { optionalClaims: withSid }),
});
after(() => system.close());
const inspector = system.use(await openRedisInspector(system));

type Person = { upn: string; session: string; assertion: string; account: string };

const upnOf = (i: number) => `load${String(i + 1).padStart(5, '0')}@contoso.test`;

async function signIn(upn: string): Promise<Person> {
  const session = await system.signIn(upn);
  const acquired = await system.exchange(0, session, apiScope);
  assert.equal(acquired.status, 200, JSON.stringify(acquired.body));
  const assertion = String(acquired.body.access_token);
  const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
  return { upn, session, assertion, account: inspector.redisKeys.account('web', `${oid}.${tid}`) };
}

const revoke = (broker: number, token: string) => system.post(broker, '/oauth2/revoke', { token });
const activeAt = async (broker: number, token: string) =>
  (await system.post(broker, '/oauth2/introspect', { token })).body.active;

/** Refused as one who has signed out. */
function assertEnded({ status, body }: BrokerResponse, what: string): void {
  assert.deepEqual([status, body.error], [400, 'invalid_grant'], `${what}: ${body.error_description ?? 'served'}`);
}

/** Milliseconds until every broker refuses; the slowest may take a second to hear of it, else it is `Infinity`. */
async function untilEnded(ask: (broker: number) => Promise<BrokerResponse>): Promise<number> {
  const startedMs = performance.now();
  const ends = brokers.map(async (broker) => {
    let answer = await ask(broker);
    while (answer.status === 200 && performance.now() - startedMs < 1_000) answer = await ask(broker);
    if (answer.status === 200) return Number.POSITIVE_INFINITY;
    assertEnded(answer, `broker ${broker}`);
    return performance.now() - startedMs;
  });
  return Math.max(...(await Promise.all(ends)));
}

async function assertEndedEverywhere(ask: (broker: number) => Promise<BrokerResponse>): Promise<void> {
  assert.notEqual(await untilEnded(ask), Number.POSITIVE_INFINITY, 'a broker serves on');
}

/** Pauses that follow what the last flights took: on a slow machine too, sign-outs land inside and after one. */
function pacer(seed: number) {
  const random = seeded(seed);
  let flightMs = longestMs;
  return {
    pause: () => delay(random() * flightMs * 1.5),
    async of<T>(flight: Promise<T>): Promise<T> {
      const startedMs = performance.now();
      const landed = await flight;
      flightMs = Math.max(longestMs, 0.8 * flightMs + 0.2 * (performance.now() - startedMs));
      return landed;
    },
  };
}

/** Runs `work` for every interleaving, some at once. */
async function interleave(work: (i: number) => Promise<void>): Promise<void> {
  const left = Array.from({ length: interleavings }, (_, i) => i);
  const worker = async () => {
    for (let i = left.shift(); i !== undefined; i = left.shift()) await work(i);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

describe('sign-out over three brokers', () => {
  const signedIn: Person[] = [];

  it(`wins over a refresh in flight, ${interleavings} times of ${interleavings}`, async () => {
    for (let i = 0; i < interleavings; i += 1) signedIn.push(await signIn(upnOf(i)));
    await system.admin('PUT', '/faults', [{ match: { grant: 'refresh_token' }, jitterMs: longestMs }]);
    const pace = pacer(4);
    const outcomes = { served: 0, refused: 0, resurrected: 0 };
    await interleave(async (i) => {
      const { session, account } = signedIn[i] as Person;
      const flight = pace.of(system.exchange(i % 3, session, graphScope));
      await pace.pause();
      assert.equal((await revoke((i + 1) % 3, session)).status, 200);
      const answer = await flight;
      if (answer.status === 200) outcomes.served += 1;
      else assertEnded(answer, `the refresh in flight of ${i}`);
      if (answer.status !== 200) outcomes.refused += 1;
      const ends = [apiScope, graphScope].map((scope) =>
        untilEnded((broker) => system.exchange(broker, session, scope)),
      );
      const ended = (await Promise.all(ends)).every(Number.isFinite);
      if (!ended || (await inspector.type(account)) !== 'none') outcomes.resurrected += 1;
    });
    assert.ok(outcomes.served > 20 && outcomes.refused > 20, `not interleaved: ${JSON.stringify(outcomes)}`);
    assert.deepEqual([await system.keys('account:*'), await system.keys('session:*')], [[], []]);
    record('sign-out during a refresh, 200 interleavings: resurrections', outcomes.resurrected);
  });

  it(`wins over a call on behalf of the person in flight, ${interleavings} times of ${interleavings}`, async () => {
    await system.admin('DELETE', '/faults');
    for (let i = 0; i < interleavings; i += 1) signedIn[i] = await signIn(upnOf(i));
    await system.admin('PUT', '/faults', [{ match: { grant: 'on_behalf_of' }, jitterMs: longestMs }]);
    const pace = pacer(5);
    const outcomes = { served: 0, refused: 0, resurrected: 0 };
    await interleave(async (i) => {
      const { session, assertion } = signedIn[i] as Person;
      const flight = pace.of(system.onBehalfOf(i % 3, assertion));
      await pace.pause();
      assert.equal((await revoke((i + 1) % 3, session)).status, 200);
      const answer = await flight;
      if (answer.status === 200) outcomes.served += 1;
      else assertEnded(answer, `the call in flight of ${i}`);
      if (answer.status !== 200) outcomes.refused += 1;
      if (!Number.isFinite(await untilEnded((broker) => system.onBehalfOf(broker, assertion))))
        outcomes.resurrected += 1;
    });
    assert.ok(outcomes.served > 20 && outcomes.refused > 20, `not interleaved: ${JSON.stringify(outcomes)}`);
    assert.deepEqual(await system.keys('obo:*'), []);
    record('sign-out during a call on behalf of, 200 interleavings: resurrections', outcomes.resurrected);
  });

  it('asks Entra nothing for an assertion that was issued before the sign-out', async () => {
    await system.admin('DELETE', '/faults');
    await system.admin('DELETE', '/counters');
    for (const { assertion } of signedIn.slice(0, 10))
      assertEnded(await system.onBehalfOf(1, assertion), 'an old assertion');
    assert.equal(await system.calls(), 0);
  });

  it('is seen by the brokers that hold the session and its tokens in memory within a second', async () => {
    let slowestMs = 0;
    for (const round of brokers) {
      const { session, assertion } = await signIn('alice@contoso.test');
      for (const broker of brokers) {
        assert.equal((await system.exchange(broker, session, apiScope)).status, 200);
        assert.equal((await system.onBehalfOf(broker, assertion)).status, 200);
      }
      await revoke(round, session);
      slowestMs = Math.max(
        slowestMs,
        await untilEnded((broker) => system.exchange(broker, session, apiScope)),
        await untilEnded((broker) => system.onBehalfOf(broker, assertion)),
      );
      for (const broker of brokers) assert.equal(await activeAt(broker, session), false);
    }
    record('sign-out: until every broker refuses', slowestMs);
  });

  it('ends by the sid that Entra sends, and only what that sid carries', async () => {
    const first = await signIn('alice@contoso.test');
    const second = await signIn('alice@contoso.test');
    const { sid } = (await system.post(0, '/oauth2/introspect', { token: first.session })).body;
    assert.equal(typeof sid, 'string');
    const wrong = { sid: String(sid), iss: 'https://elsewhere.example/v2.0' };
    assert.deepEqual((await system.post(1, '/sessions/end', wrong)).body, { ended: 0 });
    assert.deepEqual((await system.post(1, '/sessions/end', { sid: String(sid) }, 'api')).body, { ended: 0 });
    assert.deepEqual((await system.post(1, '/sessions/end', { sid: String(sid) })).body, { ended: 1 });
    await assertEndedEverywhere((broker) => system.exchange(broker, first.session, apiScope));
    assert.equal((await system.exchange(2, second.session, apiScope)).status, 200, 'the other sign-in lives on');
    assert.equal((await system.onBehalfOf(2, second.assertion)).status, 200);
    await revoke(0, second.session);
  });

  it('ends everything of a person for an operator, and for nobody else', async () => {
    const sessions = [await signIn('bob@contoso.test'), await signIn('bob@contoso.test')];
    const [{ assertion }] = sessions as [Person];
    assert.equal((await system.onBehalfOf(0, assertion)).status, 200);
    const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(assertion);
    const refused = await system.post(0, '/sessions/end', { oid, tid });
    assert.deepEqual([refused.status, refused.body.error], [400, 'unauthorized_client']);
    assert.deepEqual((await system.post(0, '/sessions/end', { oid, tid }, 'operator')).body, { ended: 2 });
    for (const { session } of sessions)
      await assertEndedEverywhere((broker) => system.exchange(broker, session, apiScope));
    await assertEndedEverywhere((broker) => system.onBehalfOf(broker, assertion));
  });

  it('lets the same person sign in again at once', async () => {
    for (const broker of brokers) {
      const { session } = await signIn('bob@contoso.test');
      await revoke(broker, session);
      const again = await signIn('bob@contoso.test');
      for (const other of brokers) assert.equal((await system.exchange(other, again.session, apiScope)).status, 200);
      assert.equal((await system.onBehalfOf(broker, again.assertion)).status, 200);
      await revoke(broker, again.session);
    }
  });

  it('leaves nothing immortal and nothing readable', async (t) => {
    const alice = await signIn('alice@contoso.test');
    await system.onBehalfOf(0, alice.assertion);
    const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(alice.assertion);
    const { sid } = (await system.post(0, '/oauth2/introspect', { token: alice.session })).body;
    const telling = [
      oid,
      tid,
      'alice',
      'contoso.test',
      alice.session,
      alice.assertion,
      `${sid}`,
      system.emulator.ids.apps.web,
    ];
    const readable = (text: string) =>
      tokenHead.test(text) || text.includes('10ad0000-7e57') || telling.some((one) => text.includes(one));
    record('keys without an end after the sign-outs', (await system.immortalKeys()).length);
    const keys = await inspector.keys();
    for (const key of keys) {
      assert.ok(!readable(key), 'a key tells who it is about');
      const type = await inspector.type(key);
      // It ended meanwhile.
      if (type === 'none') continue;
      const dump = {
        string: ['GET', key],
        hash: ['HGETALL', key],
        set: ['SMEMBERS', key],
      }[type];
      assert.ok(dump, `${key} is a ${type}`);
      const value = await inspector.command(...dump);
      const parts = value instanceof Map ? [...value].flat() : [value].flat();
      for (const part of parts.length ? parts : Object.values(value as object)) {
        assert.ok(!readable((part as Buffer).toString('latin1')), `${key} can be read`);
      }
    }
    const kinds = new Set(keys.map((key) => key.slice(system.redisPrefix.length).split(':')[0]));
    t.diagnostic(`${keys.length} keys of ${[...kinds].join(', ')}`);
    for (const kind of ['session', 'account', 'obo', 'sid', 'user', 'ended', 'code']) assert.ok(kinds.has(kind), kind);
  });
});
