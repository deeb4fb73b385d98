import assert from 'node:assert/strict';
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { createRedisKeys } from '../store/redis-keys.ts';
import { api, openPods, tenantId } from '../tokens/pods.fake.ts';
import { Assertions } from './assertions.ts';

const nowSeconds = 1_800_000_000;

function open() {
  const clock = { ms: nowSeconds * 1_000 };
  const redisKeys = createRedisKeys(createSecretKey(randomBytes(32)), 'ob:');
  return { clock, redisKeys, assertions: new Assertions({ redisKeys, nowMs: () => clock.ms }) };
}

function assertionFor(more: object = {}): string {
  const claims = {
    aud: api.clientId,
    tid: tenantId,
    oid: randomUUID(),
    scp: 'x',
    iat: nowSeconds,
    exp: nowSeconds + 60,
  };
  return `e30.${Buffer.from(JSON.stringify({ ...claims, ...more })).toString('base64url')}.x`;
}

const refused = (error: unknown) => error instanceof Fault && error.code === 'invalid_grant';

describe('an assertion that was parsed before', () => {
  it('is not parsed again, and has the keys that its text gives', () => {
    const { assertions, redisKeys } = open();
    const token = assertionFor();
    const first = assertions.parse(api, token);
    assert.equal(assertions.parse(api, Buffer.from(token).toString()), first);
    assert.equal(first.key, redisKeys.obo(api.name, token));
    assert.equal(first.throttleKey, redisKeys.oboThrottleKey(api.name, tenantId, first.claims.oid));
  });

  it('is refused from the second in which it expires, and forgotten', () => {
    const { assertions, clock } = open();
    const token = assertionFor();
    clock.ms = (nowSeconds + 60) * 1_000 - 1;
    assert.ok(assertions.parse(api, token));
    clock.ms += 1;
    assert.throws(() => assertions.parse(api, token), refused);
    assert.equal(assertions.size, 0);
  });

  it('is refused as soon as the client is configured for another app or tenant', () => {
    const { assertions } = open();
    const token = assertionFor();
    assert.ok(assertions.parse(api, token));
    for (const changed of [{ clientId: randomUUID() }, { tenantId: randomUUID() }])
      assert.throws(() => assertions.parse({ ...api, ...changed }, token), refused);
    assert.ok(assertions.parse({ ...api, tenantId: 'organizations' }, token));
  });

  it('is another one for another client', () => {
    const { assertions } = open();
    const token = assertionFor();
    assert.notEqual(assertions.parse(api, token).key, assertions.parse({ ...api, name: 'other' }, token).key);
  });

  it('takes the place of an older one where there are 1,000, and a refused one takes none', () => {
    const { assertions } = open();
    for (let n = 0; n < 1_100; n += 1) assertions.parse(api, assertionFor());
    assert.equal(assertions.size, 1_000);
    const { assertions: others } = open();
    for (const bad of ['e30.x.x', assertionFor({ exp: nowSeconds }), assertionFor({ aud: 'other' })])
      assert.throws(() => others.parse(api, bad), refused);
    assert.equal(others.size, 0);
  });
});

describe('a remembered assertion', () => {
  for (const [how, end] of [
    ['was ended by an operator', (pods, person) => pods.first.broker.endPerson(api, tenantId, person)],
    ['was ended by an operator at another pod', (pods, person) => pods.second.broker.endPerson(api, tenantId, person)],
  ] as [string, (pods: ReturnType<typeof openPods>, person: string) => Promise<number>][])
    it(`gets no token once its person ${how}`, async () => {
      const pods = openPods({ pods: 2 });
      const person = randomUUID();
      const token = pods.makeAssertion(person);
      assert.ok(await pods.first.onBehalfOf(token));
      assert.ok(await pods.first.onBehalfOf(token));
      assert.equal(pods.entra.calls.length, 1, 'the second time it is a hit');
      await end(pods, person);
      await assert.rejects(pods.first.onBehalfOf(token), refused);
      assert.equal(pods.entra.calls.length, 1, 'Entra is not asked');
    });

  it('gets no token after it expired, though its token in memory has not', async () => {
    const pods = openPods();
    const token = pods.makeAssertion(randomUUID(), 36_000 - 60);
    assert.ok(await pods.first.onBehalfOf(token));
    pods.advance(59);
    assert.ok(await pods.first.onBehalfOf(token));
    assert.equal(pods.entra.calls.length, 1, 'a hit until then');
    pods.advance(1);
    await assert.rejects(pods.first.onBehalfOf(token), refused);
  });
});
