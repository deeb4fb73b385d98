import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type AccessTokenClaims, createBearer, requireAuthContext, requireRole, requireScope } from './bearer.ts';
import { claimsChallenge } from './challenge.ts';
import { Fault } from './fault.ts';
import { type FakeIssuer, openIssuer } from './issuer.fake.ts';
import { remoteAuthority } from './signing-keys.ts';

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
