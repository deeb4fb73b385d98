import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createBearer } from '../../api/bearer.ts';
import { Fault } from '../fault.ts';
import { type FakeIssuer, makeKey, openIssuer } from './issuer.fake.ts';
import { NoKeys } from './kept-keys.ts';
import { remoteAuthority } from './signing-keys.ts';

const day = 86_400_000;
const cooldownMs = 30_000;

describe('signing keys', () => {
  let issuer: FakeIssuer;
  let nowMs: number;
  let verdict: (token: string) => Promise<string>;

  beforeEach(async () => {
    issuer = await openIssuer();
    nowMs = 0;
    const { origin: authorityHost, audience, tenant } = issuer;
    const tenants = [tenant, randomUUID()];
    const authority = remoteAuthority(authorityHost, tenants, { cooldownMs, nowMs: () => nowMs });
    const bearer = createBearer({ ...authority, audience, tenants, allowedClients: [] });
    verdict = (token) =>
      bearer(`Bearer ${token}`).then(
        () => 'good',
        (fault) => (fault instanceof Fault ? fault.code : String(fault)),
      );
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  const strange = () => issuer.user({}, { header: { kid: randomUUID() } });

  it('are fetched once, from the tenant of the token', async () => {
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => verdict(issuer.user()))), ['good', 'good', 'good']);
    assert.deepEqual(issuer.fetches, [`/${issuer.tenant}/published`]);
  });

  it('cost no call for a token of another tenant, of none, or of another algorithm', async () => {
    for (const claims of [{ tid: randomUUID() }, { tid: undefined }, { tid: '..' }, { tid: ['a'] }]) {
      assert.equal(await verdict(issuer.user(claims)), 'invalid_token');
    }
    assert.equal(
      await verdict(issuer.user({}, { header: { alg: 'HS256' }, key: issuer.active.publicKey })),
      'invalid_token',
    );
    assert.equal(await verdict('eyJhbGciOiJSUzI1NiJ9.bm90IEpTT04.AAAA'), 'invalid_token');
    assert.deepEqual(issuer.fetches, []);
  });

  it('are looked for once per cool-down however many tokens name an unknown one', async () => {
    await verdict(issuer.user());
    nowMs += cooldownMs;
    const token = strange();
    const verdicts = await Promise.all(Array.from({ length: 500 }, () => verdict(token)));
    assert.deepEqual(new Set(verdicts), new Set(['invalid_token']));
    assert.equal(issuer.fetches.length, 2);
    nowMs += cooldownMs;
    assert.equal(await verdict(token), 'invalid_token');
    assert.equal(issuer.fetches.length, 3);
  });

  it('that are new are found after the cool-down', async () => {
    await verdict(issuer.user());
    const next = makeKey();
    issuer.publish(next);
    const token = issuer.user({}, { header: { kid: next.kid }, key: next.privateKey });
    assert.equal(await verdict(token), 'invalid_token');
    nowMs += cooldownMs;
    assert.equal(await verdict(token), 'good');
  });

  it('never loaded mean unavailable, one call in two seconds, and heal', async () => {
    issuer.answer(500);
    for (let i = 0; i < 20; i++) assert.equal(await verdict(issuer.user()), 'unavailable');
    assert.equal(issuer.fetches.length, 1);
    issuer.answer(200);
    assert.equal(await verdict(issuer.user()), 'unavailable');
    nowMs += 2_000;
    assert.equal(await verdict(issuer.user()), 'good');
  });

  it('at hand serve through an outage, however old; only an unknown one is unavailable', async () => {
    await verdict(issuer.user());
    issuer.answer(503);
    nowMs += 2 * day;
    for (let i = 0; i < 20; i++) assert.equal(await verdict(issuer.user()), 'good');
    nowMs += 2_000;
    for (let i = 0; i < 20; i++) assert.equal(await verdict(strange()), 'unavailable');
    assert.equal(issuer.fetches.length, 3);
  });

  it('are fetched again after a day, off the path of requests', async () => {
    await verdict(issuer.user());
    nowMs += day + 1;
    assert.equal(await verdict(issuer.user()), 'good');
    while (issuer.fetches.length < 2) await new Promise(setImmediate);
  });

  it('at hand outlive an answer without keys, of any kind', async () => {
    await verdict(issuer.user());
    for (const body of ['', '<html></html>', '{}', '{"keys":[]}', '{"keys":[{"kty":"oct","k":"AA"}]}']) {
      issuer.answer(200, body);
      nowMs += day + 1;
      // One at a time: with the second fetch the answer to the first was looked at.
      const seen = issuer.fetches.length + 2;
      while (issuer.fetches.length < seen) {
        assert.equal(await verdict(issuer.user()), 'good', body);
        nowMs += 2_000;
      }
    }
  });

  it('that were withdrawn are gone with the next set', async () => {
    await verdict(issuer.user());
    issuer.publish(makeKey());
    issuer.withdraw(issuer.active);
    nowMs += day + 1;
    for (const endMs = Date.now() + 5_000; (await verdict(issuer.user())) !== 'invalid_token'; ) {
      assert.ok(Date.now() < endMs);
    }
  });

  it('are no answer with another status, keys or not, and the reason is known', async () => {
    for (const status of [404, 403, 302, 206]) {
      issuer.answer(status);
      const { keys } = remoteAuthority(issuer.origin, [issuer.tenant]);
      const bearer = createBearer({
        ...{ keys, issuerOf: () => undefined, audience: issuer.audience, tenants: [issuer.tenant], allowedClients: [] },
      });
      await assert.rejects(bearer(`Bearer ${issuer.user()}`), (error) => {
        assert.ok(error instanceof Fault && error.cause instanceof NoKeys, `${error}`);
        assert.equal(error.cause.code, `HTTP_${status}`);
        return true;
      });
    }
  });

  it('of an address nobody answers mean unavailable', async () => {
    await issuer[Symbol.asyncDispose]();
    assert.equal(await verdict(issuer.user()), 'unavailable');
    issuer = await openIssuer();
  });

  it('are those of the discovery document, whose issuer must be the tenant’s', async () => {
    assert.equal(await verdict(issuer.user()), 'good');
    assert.equal(
      await verdict(issuer.user({ iss: `https://elsewhere.example/${issuer.tenant}/v2.0` })),
      'invalid_token',
    );
    const other = remoteAuthority(`${issuer.origin}/elsewhere`, [issuer.tenant]);
    const { audience, tenant } = issuer;
    const bearer = createBearer({ ...other, audience, tenants: [tenant], allowedClients: [] });
    await assert.rejects(bearer(`Bearer ${issuer.user()}`), { code: 'unavailable' });
    assert.equal(other.issuerOf(tenant), undefined);
  });

  it('are not fetched over plain http from another host, whatever names it', async () => {
    issuer.pointTo('http://127.0.0.1.keys.test/published');
    const { keys } = remoteAuthority(issuer.origin, [issuer.tenant]);
    const bearer = createBearer({
      ...{ keys, issuerOf: () => undefined, audience: issuer.audience, tenants: [issuer.tenant], allowedClients: [] },
    });
    await assert.rejects(bearer(`Bearer ${issuer.user()}`), (error) => {
      assert.ok(error instanceof Fault && error.cause instanceof NoKeys, `${error}`);
      assert.deepEqual([error.code, error.cause.code], ['unavailable', 'PLAIN_HTTP']);
      return true;
    });
  });

  it('of many tenants are one set, and the issuer is that of the token’s tenant', async () => {
    const { origin, audience, tenant } = issuer;
    const many = remoteAuthority(`${origin}`, ['organizations']);
    const bearer = createBearer({ ...many, audience, tenants: [tenant], allowedClients: [] });
    assert.ok(await bearer(`Bearer ${issuer.user()}`));
    assert.equal(many.issuerOf(tenant), `${origin}/${tenant}/v2.0`);
    await assert.rejects(bearer(`Bearer ${issuer.user({ iss: `${origin}/${randomUUID()}/v2.0` })}`), {
      code: 'invalid_token',
    });
  });
});
