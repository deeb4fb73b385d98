import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { apiScope, openRig, type Rig, readClaims, verifier } from './rig.fake.ts';

const page = 'http://localhost:5173/';
const program = 'http://localhost:54321';
const origin = { origin: 'http://localhost:5173' };
const scope = `openid offline_access ${apiScope}`;

describe('a public client', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  /** Signs Alice in at a client without a credential and redeems its code with these headers. */
  const signIn = async (app: string, redirect_uri: string, headers: Record<string, string>, more: object = {}) => {
    const client_id = rig.ids.apps[app] ?? '';
    const code = await rig.code('alice@contoso.test', { client_id, redirect_uri, scope, ...more });
    const form = { client_id, grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier };
    return { form, ...(await rig.post(form, { headers })) };
  };
  const refresh = (app: string, refresh_token: string, headers: Record<string, string>, more: object = {}) =>
    rig.post(
      { client_id: rig.ids.apps[app] ?? '', grant_type: 'refresh_token', refresh_token, scope, ...more },
      { headers },
    );
  const errorCode = ({ body }: { body: { error_codes: number[] } }) => body.error_codes[0];

  it('that is a page redeems and refreshes across origins by PKCE alone', async () => {
    const { status, headers, body } = await signIn('spa', page, origin);
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [200, '*']);
    assert.equal(readClaims(body.access_token).azpacr, '0');
    const again = await refresh('spa', body.refresh_token ?? '', origin);
    assert.deepEqual([again.status, again.headers.get('access-control-allow-origin')], [200, '*']);
  });

  it('that is a page gets nothing outside a page, nor without PKCE, nor with a secret', async () => {
    const { body } = await signIn('spa', page, origin);
    assert.equal(errorCode(await signIn('spa', page, {})), 9002327);
    assert.equal(errorCode(await refresh('spa', body.refresh_token ?? '', {})), 9002327);
    const bare = { code_challenge: undefined, code_challenge_method: undefined };
    assert.equal(errorCode(await signIn('spa', page, origin, bare)), 9002325);
    assert.equal(errorCode(await refresh('spa', body.refresh_token ?? '', origin, { client_secret: 'x' })), 700025);
  });

  it('that is a page has refresh tokens that all end a day after the sign-in', async () => {
    const { body } = await signIn('spa', page, origin);
    await rig.admin('PUT', '/clock', { offsetSeconds: 86_000 });
    const later = await refresh('spa', body.refresh_token ?? '', origin);
    assert.equal(later.status, 200);
    await rig.admin('PUT', '/clock', { offsetSeconds: 86_401 });
    assert.equal(errorCode(await refresh('spa', later.body.refresh_token ?? '', origin)), 700084);
  });

  it('that is a program redeems and refreshes with no credential on any loopback port, and not from a page', async () => {
    const { status, body, form } = await signIn('cli', program, {});
    assert.deepEqual([status, readClaims(body.access_token).azpacr], [200, '0']);
    assert.equal((await refresh('cli', body.refresh_token ?? '', {})).status, 200);
    assert.equal(errorCode(await refresh('cli', body.refresh_token ?? '', origin)), 9002326);
    assert.equal(errorCode(await rig.post(form)), 54005);
  });

  it('gets no token of its own and none on behalf of others', async () => {
    const client_id = rig.ids.apps.cli ?? '';
    const own = { client_id, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' };
    assert.equal(errorCode(await rig.post(own)), 7000216);
    const { body } = await signIn('cli', program, {});
    const onBehalf = { client_id, client_secret: '', assertion: body.access_token };
    assert.equal(errorCode(await rig.onBehalf(body.access_token, onBehalf)), 7000218);
  });

  it('stays distinct from a confidential client that leaves its secret out or claims to be a page', async () => {
    const bare = { client_id: rig.ids.apps.web, client_secret: '' };
    assert.equal(errorCode(await rig.redeem(await rig.code(), bare)), 7000218);
    const refused = await rig.post({ ...rig.web, grant_type: 'authorization_code', code: 'x' }, { headers: origin });
    assert.equal(errorCode(refused), 9002326);
    assert.equal(refused.headers.get('access-control-allow-origin'), '*');
  });

  it('that is a page may read discovery, keys and its refusals, and send a preflight; sign-in pages are not shared', async () => {
    const at = (path: string, init: RequestInit = {}) => fetch(`${rig.emulator.origin}${path}`, init);
    const { tenant } = rig;
    for (const path of [
      `/${tenant}/v2.0/.well-known/openid-configuration`,
      `/${tenant}/discovery/v2.0/keys`,
      '/common/discovery/instance',
      '/v1.0/me',
      '/nowhere.test/v2.0/.well-known/openid-configuration',
    ]) {
      assert.equal((await at(path)).headers.get('access-control-allow-origin'), '*', path);
    }
    const asked = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' };
    const preflight = await at('/v1.0/me', { method: 'OPTIONS', headers: asked });
    assert.deepEqual(
      ['access-control-allow-methods', 'access-control-allow-headers'].map((name) => preflight.headers.get(name)),
      ['GET, OPTIONS', 'authorization'],
    );
    const authorize = `/${tenant}/oauth2/v2.0/authorize`;
    assert.equal((await at(authorize)).headers.get('access-control-allow-origin'), null);
    assert.equal((await at(authorize, { method: 'OPTIONS' })).status, 405);
  });

  it('that is a page can read an injected fault', async () => {
    await rig.admin('PUT', '/faults', [{ then: { aadsts: 50173 } }]);
    const refused = await refresh('spa', '2.x', origin);
    assert.deepEqual([errorCode(refused), refused.headers.get('access-control-allow-origin')], [50173, '*']);
  });
});
