import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { apiScope, graphScope, openRig, type Rig, readClaims, type TokenBody } from '../rig.fake.ts';

const sorted = (claims: Record<string, unknown>) => Object.keys(claims).sort();

describe('the tokens', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  const appToken = async () =>
    (await rig.post({ ...rig.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' })).body;

  it('have the claims of Entra’s v2.0 ID token', async () => {
    const { id_token = '' } = await rig.tokens('bob@contoso.test');
    const claims = readClaims(id_token);
    const names = 'aio aud exp iat iss name nbf nonce oid preferred_username rh sid sub tid uti ver';
    assert.deepEqual(sorted(claims), names.split(' '));
    assert.equal(claims.aud, rig.ids.apps.web);
    assert.equal(Number(claims.exp) - Number(claims.iat), 3_600 + 300, 'dated back, as Entra does');
  });

  it('have the claims of Entra’s v2.0 access token for a user', async () => {
    const { access_token } = await rig.tokens('bob@contoso.test');
    const names = 'aio aud azp azpacr exp iat iss name nbf oid preferred_username rh scp sid sub tid uti ver';
    assert.deepEqual(sorted(readClaims(access_token)), names.split(' '));
  });

  it('have the claims of Entra’s v2.0 access token for an app', async () => {
    const { access_token, scope, refresh_token } = await appToken();
    const names = 'aio aud azp azpacr exp iat iss nbf oid rh roles sub tid uti ver xms_ftd';
    assert.deepEqual(sorted(readClaims(access_token)), names.split(' '));
    assert.deepEqual([scope, refresh_token], [undefined, undefined]);
  });

  it('are given to an app whatever OpenID scopes stand beside its one .default', async () => {
    const ask = (scope: string) => rig.post({ ...rig.job, grant_type: 'client_credentials', scope });
    for (const scope of [
      'openid profile offline_access api://onbehalf-api/.default',
      'api://onbehalf-api/.default email',
    ]) {
      const { status, body } = await ask(scope);
      assert.deepEqual([status, body.refresh_token, body.id_token], [200, undefined, undefined], scope);
      assert.deepEqual(readClaims(body.access_token).roles, ['Reports.Read']);
    }
    for (const scope of ['openid', 'api://onbehalf-api/.default api://other-api/.default', 'openid User.Read']) {
      assert.equal((await ask(scope)).body.error_codes[0], 1002012, scope);
    }
  });

  it('name a person by another sub at every application, and by the same at each', async () => {
    const [first, second] = [await rig.tokens(), await rig.tokens()];
    const sub = (body: TokenBody, name: string) => readClaims(body[name] ?? '').sub;
    assert.equal(sub(first, 'id_token'), sub(second, 'id_token'));
    assert.notEqual(sub(first, 'id_token'), sub(first, 'access_token'));
  });

  it('carry optional claims only where a registration lists them', async () => {
    const optional = { idToken: ['groups', 'login_hint'], accessToken: ['idtyp', 'groups'] };
    await rig.admin('PATCH', '/apps/web', { optionalClaims: optional });
    await rig.admin('PATCH', '/apps/api', { optionalClaims: optional });
    const { id_token = '', access_token } = await rig.tokens();
    assert.equal((readClaims(id_token).groups as string[]).length, 1);
    const silent = rig.authorizeUrl({ login_hint: String(readClaims(id_token).login_hint) });
    const person = rig.person();
    await person.visit(silent);
    assert.match(person.page().html, /value="alice@contoso\.test" autofocus/);
    assert.equal(readClaims(access_token).idtyp, 'user');
    assert.equal(readClaims((await appToken()).access_token).idtyp, 'app');
  });

  it('live as long as the admin says, and name refresh_in over two hours or on demand', async () => {
    assert.equal((await appToken()).expires_in, 3_600);
    await rig.admin('PUT', '/lifetimes', { access: 7_201 });
    const { refresh_token = '' } = await rig.tokens();
    const long = (await rig.refresh(refresh_token)).body as TokenBody & { refresh_in?: unknown };
    assert.deepEqual([long.expires_in, Number(long.refresh_in)], [7_201, 3_600]);
    await rig.admin('PUT', '/lifetimes', { access: 420, refreshIn: 60 });
    const short = (await rig.refresh(refresh_token)).body as TokenBody & { refresh_in?: unknown };
    assert.deepEqual([short.expires_in, Number(short.refresh_in)], [420, 60]);
    await assert.rejects(rig.admin('PUT', '/lifetimes', { access: -1 }), /400/);
  });

  it('are backdated by as much as the admin sets, and end when the response says', async () => {
    for (const backdate of [300, 0, 590]) {
      await rig.admin('PUT', '/lifetimes', { backdate });
      const { access_token, expires_in } = await appToken();
      const { iat, nbf, exp } = readClaims(access_token);
      assert.equal(nbf, iat);
      assert.equal(Number(exp) - Number(iat), Number(expires_in) + backdate);
    }
  });

  it('repeat scope as it was requested, and come with a refresh token and an ID token only on request', async () => {
    const scope = `${graphScope} openid`;
    await rig.code('alice@contoso.test', { scope: graphScope });
    const { refresh_token = '' } = await rig.tokens();
    const { body } = await rig.refresh(refresh_token, scope);
    assert.equal(body.scope, scope);
    assert.equal(body.refresh_token, undefined);
    assert.ok(body.id_token);
    assert.equal(readClaims(body.access_token).scp, 'User.Read openid');
  });

  it('never name offline_access in scope, neither for a code nor for a refresh, and give its refresh token', async () => {
    const { refresh_token = '', scope } = await rig.tokens();
    assert.equal(scope, `openid ${apiScope}`);
    for (const asked of [`offline_access  ${apiScope}`, `${apiScope} offline_access`]) {
      const { body } = await rig.refresh(refresh_token, asked);
      assert.deepEqual([body.scope, body.refresh_token?.slice(0, 2)], [apiScope, '2.']);
      const without = await rig.post({
        ...rig.web,
        grant_type: 'refresh_token',
        refresh_token: body.refresh_token ?? '',
      });
      assert.deepEqual([without.body.scope, without.body.refresh_token?.slice(0, 2)], [apiScope, '2.']);
    }
    const bare = (await rig.refresh(refresh_token, 'offline_access')).body;
    assert.deepEqual(['scope' in bare, bare.refresh_token?.slice(0, 2)], [false, '2.']);
  });

  describe('of refresh', () => {
    it('come new with each use while the old stay valid', async () => {
      const { refresh_token: first = '' } = await rig.tokens();
      const second = (await rig.refresh(first, `${apiScope} offline_access`)).body.refresh_token ?? '';
      assert.notEqual(first, second);
      for (const token of [first, second]) assert.equal((await rig.refresh(token)).status, 200);
    });

    it('slide: each has ninety days of its own', async () => {
      const { refresh_token: first = '' } = await rig.tokens();
      await rig.admin('PUT', '/clock', { offsetSeconds: 89 * 86_400 });
      const second = (await rig.refresh(first, `${apiScope} offline_access`)).body.refresh_token ?? '';
      await rig.admin('PUT', '/clock', { offsetSeconds: 91 * 86_400 });
      assert.equal((await rig.refresh(first)).body.error_codes[0], 700082);
      assert.equal((await rig.refresh(second)).status, 200);
    });

    it('are good once where a switch says so, and reuse ends the family', async () => {
      await rig.admin('PUT', '/switches', { strictRotation: true });
      const { refresh_token: first = '' } = await rig.tokens();
      const second = (await rig.refresh(first, `${apiScope} offline_access`)).body.refresh_token ?? '';
      assert.equal((await rig.refresh(first)).body.error_codes[0], 70000);
      assert.equal((await rig.refresh(second)).body.error_codes[0], 70000);
    });

    it('end with a replayed code where a switch says so', async () => {
      await rig.admin('PUT', '/switches', { replayRevokesFamily: true });
      const code = await rig.code('alice@contoso.test', { scope: `offline_access ${apiScope}` });
      const { refresh_token = '' } = (await rig.redeem(code)).body;
      await rig.redeem(code);
      assert.equal((await rig.refresh(refresh_token)).body.error_codes[0], 70000);
    });
  });

  describe('in load mode', () => {
    it('are signed once for equal claims, and a code’s own sid and nonce are its own', async () => {
      await using load = await openRig({ signing: 'load' });
      const ask = async () => {
        const form = { ...load.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' };
        return (await load.post(form)).body.access_token;
      };
      const tokens = await Promise.all([ask(), ask(), ask(), ask()]);
      assert.ok(new Set(tokens).size < tokens.length);
      const [one, two] = [await load.tokens(), await load.tokens()].map(({ id_token = '' }) => readClaims(id_token));
      assert.notEqual(one?.sid, two?.sid);
    });

    it('are given out of the pool with the life they have left', async () => {
      await using load = await openRig({ signing: 'load' });
      const { access_token: assertion } = await load.tokens('bob@contoso.test');
      const pool = { client: 'api', scope: graphScope, prefix: 'bob', azpacr: '1' };
      assert.deepEqual(await load.admin('POST', '/pool', pool), { users: 1 });
      const first = (await load.onBehalf(assertion)).body;
      await load.admin('PUT', '/clock', { offsetSeconds: 100 });
      const later = (await load.onBehalf(assertion)).body;
      assert.equal(later.access_token, first.access_token);
      assert.ok(first.expires_in - later.expires_in >= 99);
    });
  });
});
