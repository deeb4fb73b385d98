import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { claimsChallenge } from '../core/challenge.ts';
import { Fault } from '../core/fault.ts';
import { type FakeIssuer, makeKey, openIssuer } from '../core/keys/issuer.fake.ts';
import { remoteAuthority } from '../core/keys/signing-keys.ts';
import { keepSpans } from '../core/telemetry/spans.fake.ts';
import { inOwnTrace } from '../core/telemetry/tracing.ts';
import { type AccessTokenClaims, createBearer, requireAuthContext, requireRole, requireScope } from './bearer.ts';

const spans = keepSpans();

/** What the span of a check says of it. */
async function resultOf(check: () => Promise<unknown>): Promise<unknown> {
  spans.take();
  await inOwnTrace('request', check).catch(() => {});
  return spans.take().find(({ name }) => name === 'token.validate')?.attributes['onbehalf.validation.result'];
}

const faultOf = (decide: () => void): Fault | undefined => {
  try {
    decide();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error;
  }
};

describe('a bearer token', () => {
  let issuer: FakeIssuer;
  let read: (token: string) => Promise<AccessTokenClaims>;
  let now = new Date();

  before(async () => {
    issuer = await openIssuer();
    const { origin: authorityHost, audience, tenant } = issuer;
    const authority = remoteAuthority(authorityHost, [tenant]);
    const options = { ...authority, audience, tenants: [tenant], allowedClients: [], now: () => now };
    const bearer = createBearer(options);
    read = (token) => bearer(`Bearer ${token}`);
  });
  after(() => issuer[Symbol.asyncDispose]());

  it('gives its claims, its scopes as a list and itself as a Secret', async () => {
    const token = issuer.user({ scp: 'a  b', unknown: 1 });
    const claims = await read(token);
    assert.deepEqual([claims.scopes, claims.roles, claims.acrs, claims.name], [['a', 'b'], [], [], 'Alice']);
    assert.equal(claims.token.reveal(), token);
    assert.equal(await resultOf(() => read(token)), 'ok');
    assert.ok(!JSON.stringify(claims).includes(token));
    assert.ok(!('unknown' in claims));
  });

  it('takes a scheme in any case, as RFC 9110 section 11.1 says', async () => {
    const { origin: authorityHost, audience, tenant } = issuer;
    const authority = remoteAuthority(authorityHost, [tenant]);
    const bearer = createBearer({ ...authority, audience, tenants: [tenant], allowedClients: [] });
    for (const scheme of ['bearer', 'BEARER', 'Bearer ']) assert.ok(await bearer(`${scheme} ${issuer.user()}`));
  });

  it('is refused if its tenant is not served, whoever knows its key', async () => {
    const { origin: authorityHost, audience, tenant } = issuer;
    const options = { audience, tenants: ['another'], allowedClients: [] };
    const bearer = createBearer({ ...remoteAuthority(authorityHost, [tenant]), ...options });
    await assert.rejects(bearer(`Bearer ${issuer.user()}`), { code: 'invalid_token' });
  });

  const notV2 = 'The token is not a v2.0 access token.';
  const isV1 =
    'The token is a v1.0 access token. Set requestedAccessTokenVersion to 2 in the registration of this API.';
  const notHere = 'The token is not valid here.';
  const rows: [what: string, claims: object, says: string, result: string][] = [
    ['of another issuer', { iss: 'https://login.test/x/v2.0' }, 'The issuer is not the one of its tenant.', 'claims'],
    ['of no issuer', { iss: undefined }, notHere, 'claims'],
    ['for another API', { aud: randomUUID() }, 'The token is for another audience.', 'audience'],
    ['for nobody', { aud: undefined }, notHere, 'audience'],
    ['that has expired', { exp: 1 }, 'The token has expired.', 'expired'],
    ['without an end', { exp: undefined }, notHere, 'claims'],
    ['of tomorrow', { nbf: 9e9 }, 'The token is not valid yet: a clock is wrong.', 'claims'],
    ['without a beginning', { nbf: undefined }, notHere, 'claims'],
    ['of version 1', { ver: '1.0' }, isV1, 'claims'],
    ['of version 1, for what v1 calls an audience', { ver: '1.0', aud: 'api://x' }, isV1, 'audience'],
    ['of version 1 that has expired', { ver: '1.0', exp: 1 }, isV1, 'expired'],
    ['of no version', { ver: undefined }, notV2, 'claims'],
    ['of nobody', { oid: '' }, notV2, 'claims'],
    ['without a subject', { sub: '' }, notV2, 'claims'],
    ['of no client, as an ID token', { azp: undefined }, notV2, 'claims'],
    ['of an empty client', { azp: '' }, notV2, 'claims'],
  ];
  for (const [what, claims, says, result] of rows) {
    it(`${what} is refused, and why is said to its caller and in its span`, async () => {
      const token = issuer.user(claims);
      await assert.rejects(read(token), { code: 'invalid_token', message: says });
      assert.equal(await resultOf(() => read(token)), result);
    });
  }

  it('of another key, or of a key that nobody knows, is refused as forged', async () => {
    const stranger = makeKey();
    const forgeries = [{ key: makeKey().privateKey }, { key: stranger.privateKey, header: { kid: stranger.kid } }];
    for (const forgery of forgeries) {
      const token = issuer.user({ ver: '1.0' }, forgery);
      await assert.rejects(read(token), { code: 'invalid_token', message: notHere });
      assert.equal(await resultOf(() => read(token)), 'signature');
    }
  });

  it('that cannot be checked is unavailable, and what breaks is not called its fault', async () => {
    const { origin, audience, tenant } = issuer;
    const { issuerOf } = remoteAuthority(origin, [tenant]);
    const options = { issuerOf, audience, tenants: [tenant], allowedClients: [] };
    const away = new Fault('unavailable', 'away');
    for (const [error, result] of [
      [away, 'unavailable'],
      [new RangeError('ours'), 'claims'],
    ] as const) {
      const bearer = createBearer({ ...options, keys: () => Promise.reject(error) });
      await assert.rejects(bearer(`Bearer ${issuer.user()}`), (thrown) => thrown === error);
      assert.equal(await resultOf(() => bearer(`Bearer ${issuer.user()}`)), result);
    }
  });

  it('comes of the clients on the list, or of any where there is none', async () => {
    const { origin, audience, tenant, client } = issuer;
    const ofClients = (...allowedClients: string[]) =>
      createBearer({ ...remoteAuthority(origin, [tenant]), audience, tenants: [tenant], allowedClients });
    const token = `Bearer ${issuer.user()}`;
    for (const bearer of [ofClients(), ofClients(client), ofClients(randomUUID(), client)])
      assert.ok(await bearer(token));
    for (const bearer of [ofClients(randomUUID()), ofClients(randomUUID(), randomUUID())]) {
      await assert.rejects(bearer(token), { message: 'The token was issued to a client that is not allowed here.' });
    }
  });

  it('is all that the header holds', async () => {
    const { origin, audience, tenant } = issuer;
    const options = { audience, tenants: [tenant], allowedClients: [] };
    const bearer = createBearer({ ...remoteAuthority(origin, [tenant]), ...options });
    const token = issuer.user();
    for (const header of [
      '',
      'Bearer',
      `Basic ${token}`,
      `x Bearer ${token}`,
      `Bearer ${token} x`,
      `Bearer ${token},x`,
    ]) {
      await assert.rejects(bearer(header), { message: 'The Authorization header is not a bearer token.' }, header);
    }
    await assert.rejects(bearer(undefined), { message: 'A bearer token is needed.', challenge: 'Bearer' });
  });

  it('may be a minute early or late, and no more', async () => {
    const token = issuer.user();
    const at = (seconds: number) => {
      now = new Date((issuer.nowSeconds + seconds) * 1_000);
      return read(token).then(
        () => 'good',
        (fault: Fault) => fault.code,
      );
    };
    const verdicts = [await at(-61), await at(-60), await at(3_659), await at(3_660)];
    now = new Date();
    assert.deepEqual(verdicts, ['invalid_token', 'good', 'good', 'invalid_token']);
  });

  it('passes a scope only as a user, a role only as an app', async () => {
    const user = await read(issuer.user({ roles: ['Reports.Read'] }));
    const app = await read(issuer.app({ roles: ['Reports.Read', 'access_as_user'] }));
    assert.equal(
      faultOf(() => requireScope(user, 'access_as_user')),
      undefined,
    );
    assert.equal(
      faultOf(() => requireRole(app, 'Reports.Read')),
      undefined,
    );
    assert.equal(faultOf(() => requireScope(app, 'access_as_user'))?.status, 403);
    assert.equal(faultOf(() => requireRole(user, 'Reports.Read'))?.status, 403);
    assert.equal(faultOf(() => requireScope(user, 'access_as'))?.code, 'insufficient_scope');
    assert.equal(faultOf(() => requireRole(app, 'Reports'))?.code, 'insufficient_scope');
    // A person whose token has roles and no scopes: only an app's oid is its sub.
    const person = await read(issuer.user({ scp: undefined, roles: ['Reports.Read'] }));
    assert.equal(faultOf(() => requireRole(person, 'Reports.Read'))?.status, 403);
  });

  it('is an app’s if idtyp says so, an agent’s too, whose oid is not its sub', async () => {
    const passes = (claims: AccessTokenClaims) => [
      faultOf(() => requireRole(claims, 'Reports.Read'))?.status ?? 'role',
      faultOf(() => requireScope(claims, 'access_as_user'))?.status ?? 'scope',
    ];
    const both = { roles: ['Reports.Read'], scp: 'access_as_user' };
    const asked: [object, (string | number)[]][] = [
      [{ idtyp: 'app', roles: ['Reports.Read'], scp: '/' }, ['role', 403]],
      [{ ...both, idtyp: 'app' }, ['role', 403]],
      [{ ...both, idtyp: 'user' }, [403, 'scope']],
      [{ ...both, idtyp: 'device' }, [403, 'scope']],
      [both, [403, 'scope']],
    ];
    for (const [claims, expected] of asked) {
      assert.deepEqual(passes(await read(issuer.user(claims))), expected, JSON.stringify(claims));
    }
    assert.deepEqual(passes(await read(issuer.app({ idtyp: 'user', roles: ['Reports.Read'] }))), [403, 403]);
    assert.deepEqual(passes(await read(issuer.app({ scp: 'access_as_user' }))), [403, 'scope']);
  });

  it('is asked for the authentication context that it lacks', async () => {
    const fault = faultOf(() => requireAuthContext({ acrs: ['c2'] } as AccessTokenClaims, 'c1'));
    const claims = claimsChallenge(fault?.challenge);
    assert.equal(claims, '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}');
    assert.equal(
      faultOf(() => requireAuthContext({ acrs: ['c1', 'c2'] } as AccessTokenClaims, 'c1')),
      undefined,
    );
  });
});
