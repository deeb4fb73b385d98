import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { apiScope, callback, openRig, type Rig, readClaims } from './rig.fake.ts';

const alice = 'alice@contoso.test';
const bob = 'bob@contoso.test';

describe('the sign-in', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  /** A person who has signed in as these, in this order, and has consented to what `web` needs. */
  const signedIn = async (...names: string[]) => {
    const person = rig.person();
    for (const name of names) await person.signIn(rig.authorizeUrl({ prompt: 'select_account' }), name);
    return person;
  };

  describe('the account', () => {
    it('is asked for without a session: a button for each person of the tenant, no password', async () => {
      const person = rig.person();
      await person.visit(rig.authorizeUrl());
      const { html } = person.page();
      assert.equal(person.title(), 'Pick an account');
      assert.match(html, /name="username" value="alice@contoso\.test"/);
      assert.doesNotMatch(html, /fay@|type="password"/);
    });

    it('is not asked for with one session', async () => {
      const person = await signedIn(alice);
      assert.ok((await person.visit(rig.authorizeUrl()))?.parameters.get('code'));
      assert.ok((await person.visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters.get('code'));
    });

    it('is asked for with two sessions, unless a login_hint picks one', async () => {
      const person = await signedIn(alice, bob);
      await person.visit(rig.authorizeUrl());
      assert.equal(person.title(), 'Pick an account');
      const landing = await person.visit(rig.authorizeUrl({ login_hint: bob }));
      const { body } = await rig.redeem(landing?.parameters.get('code') ?? '');
      assert.equal(readClaims(body.id_token ?? '').oid, rig.ids.users.bob);
      assert.equal(
        (await person.visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters.get('error'),
        'login_required',
      );
    });

    it('is asked for again by prompt=login and select_account, and when max_age has passed', async () => {
      const person = await signedIn(alice);
      for (const parameters of [{ prompt: 'login' }, { prompt: 'select_account' }]) {
        await person.visit(rig.authorizeUrl(parameters));
        assert.equal(person.title(), 'Pick an account');
      }
      assert.ok((await person.visit(rig.authorizeUrl({ max_age: '60' })))?.parameters.get('code'));
      await rig.admin('PUT', '/clock', { offsetSeconds: 61 });
      assert.equal(await person.visit(rig.authorizeUrl({ max_age: '60' })), undefined);
    });

    it('is pre-selected by login_hint, narrowed by domain_hint; an unknown domain is ignored', async () => {
      const person = rig.person();
      await person.visit(rig.authorizeUrl({ login_hint: bob }));
      assert.match(person.page().html, /value="bob@contoso\.test" autofocus/);
      await person.visit(rig.authorizeUrl({ domain_hint: 'fabrikam.test' }, 'organizations'));
      assert.match(person.page().html, /fay@fabrikam/);
      assert.doesNotMatch(person.page().html, /alice@/);
      await person.visit(rig.authorizeUrl({ domain_hint: 'nowhere.test' }, 'organizations'));
      assert.match(person.page().html, /alice@/);
    });

    it('may be of any tenant at organizations, whose issuer the token names', async () => {
      const code = await rig.code('fay@fabrikam.test', {}, 'organizations');
      const { body } = await rig.redeem(code, {}, 'organizations');
      const { tid, iss } = readClaims(body.id_token ?? '');
      assert.equal(tid, rig.ids.tenants.fabrikam);
      assert.equal(iss, `${rig.emulator.origin}/${tid}/v2.0`);
    });

    it('may be of a guest: client_info names the account at home, and organizations does not offer it', async () => {
      const guest = 'fay_fabrikam.test#EXT#@contoso.test';
      const code = await rig.code(guest);
      const { body } = await rig.redeem(code, { client_info: '1' });
      const { oid, tid } = readClaims(body.id_token ?? '');
      const atHome = JSON.parse(Buffer.from(body.client_info ?? '', 'base64url').toString());
      assert.deepEqual(atHome, { uid: rig.ids.users.fay, utid: rig.ids.tenants.fabrikam });
      assert.equal(tid, rig.ids.tenants.contoso);
      assert.notEqual(oid, atHome.uid);
      const person = rig.person();
      await person.visit(rig.authorizeUrl({}, 'organizations'));
      assert.match(person.page().html, /fay@fabrikam/);
      assert.doesNotMatch(person.page().html, /#EXT#|fay_fabrikam/);
    });

    it('is refused if it is disabled', async () => {
      const person = rig.person();
      await person.visit(rig.authorizeUrl());
      await person.answer({ username: 'dan@contoso.test' });
      assert.match(person.page().html, /AADSTS50057/);
    });

    it('is chosen at once in auto mode, by the login_hint', async () => {
      await rig.admin('PUT', '/interaction', { mode: 'auto', user: alice });
      const landing = await rig.person().visit(rig.authorizeUrl({ login_hint: bob }));
      const { body } = await rig.redeem(landing?.parameters.get('code') ?? '');
      assert.equal(readClaims(body.access_token).preferred_username, bob);
    });
  });

  describe('consent', () => {
    const permissions = (html: string) => [...html.matchAll(/<li>([^<]*)/g)].map(([, text = '']) => text.trim());

    it('is asked for what is missing, in words, and then only for more', async () => {
      const person = await signedIn(alice);
      assert.ok((await person.visit(rig.authorizeUrl()))?.parameters.get('code'));
      await person.visit(rig.authorizeUrl({ scope: `openid ${apiScope} api://onbehalf-api/payroll.read` }));
      assert.equal(person.title(), 'Permissions requested');
      assert.deepEqual(permissions(person.page().html), ['Read your payroll']);
    });

    it('is asked for everything by prompt=consent, and refused by prompt=none', async () => {
      const person = await signedIn(alice);
      await person.visit(rig.authorizeUrl({ prompt: 'consent' }));
      assert.equal(permissions(person.page().html).length, 2);
      const silent = rig.authorizeUrl({ prompt: 'none', scope: 'Mail.Read' });
      const refused = (await person.visit(silent))?.parameters;
      assert.equal(refused?.get('error'), 'interaction_required');
      assert.match(refused?.get('error_description') ?? '', /^AADSTS65001/);
    });

    it("covers the middle tier's own needs where the API knows the client and .default is asked", async () => {
      const carol = rig.person();
      const url = rig.authorizeUrl({ scope: 'openid api://onbehalf-api/.default' });
      await carol.visit(url);
      await carol.answer({ username: 'carol@contoso.test' });
      assert.match(carol.page().html, /read your profile <span class="fine">\(Onbehalf downstream API\)/);
      const landing = await carol.answer({ consent: 'accept' });
      const { body } = await rig.redeem(landing?.parameters.get('code') ?? '');
      assert.equal(readClaims(body.access_token).scp, 'access_as_user');
      assert.equal((await rig.onBehalf(body.access_token)).status, 200);
    });

    it('is not asked for where an administrator gave it, or where the API trusts the client', async () => {
      const ask = async (scope: string) => {
        const person = rig.person();
        await person.visit(rig.authorizeUrl({ scope }));
        return (await person.answer({ username: 'carol@contoso.test' }))?.parameters.get('code');
      };
      assert.equal(await ask(apiScope), undefined);
      await rig.admin('PATCH', '/apps/web', { adminConsent: [apiScope] });
      assert.ok(await ask(apiScope));
      await rig.admin('PATCH', '/apps/web', { adminConsent: [] });
      await rig.admin('PATCH', '/apps/api', { preAuthorized: [{ client: 'web', scopes: ['access_as_user'] }] });
      assert.ok(await ask(apiScope));
    });

    it('can be taken back', async () => {
      const { refresh_token = '' } = await rig.tokens();
      assert.equal((await rig.refresh(refresh_token)).status, 200);
      await rig.admin('DELETE', `/consents?user=${alice}&client=web`);
      assert.equal((await rig.refresh(refresh_token)).body.suberror, 'consent_required');
    });
  });

  describe('a step-up', () => {
    const claims = JSON.stringify({ access_token: { acrs: { essential: true, values: ['c1'] } } });

    it('is asked for an authentication context, then held by session, code and refresh token', async () => {
      const person = await signedIn(alice);
      await person.visit(rig.authorizeUrl({ claims }));
      assert.equal(person.title(), 'Approve sign-in');
      const scope = `openid offline_access ${apiScope}`;
      const landing = await person.signIn(rig.authorizeUrl({ claims, scope }), alice);
      const { body } = await rig.redeem(landing.get('code') ?? '');
      assert.deepEqual(readClaims(body.access_token).acrs, ['c1']);
      const refreshed = await rig.refresh(body.refresh_token ?? '', apiScope, { claims });
      assert.deepEqual(readClaims(refreshed.body.access_token).acrs, ['c1']);
      assert.ok((await person.visit(rig.authorizeUrl({ claims, prompt: 'none' })))?.parameters.get('code'));
      const graph = await rig.onBehalf(body.access_token);
      assert.deepEqual(readClaims(graph.body.access_token).acrs, ['c1']);
    });

    it('is required by the policy of an API, also of a token request', async () => {
      const { refresh_token = '' } = await rig.tokens();
      await rig.admin('PATCH', '/apps/api', { policy: 'mfa' });
      const refused = await rig.refresh(refresh_token);
      assert.equal(refused.body.error_codes[0], 50076);
      const person = await signedIn(alice);
      const landing = await person.signIn(rig.authorizeUrl({ claims: refused.body.claims }), alice);
      assert.equal((await rig.redeem(landing.get('code') ?? '')).status, 200);
    });
  });

  describe('its response', () => {
    it('comes by query, fragment or form_post, with state and session_state', async () => {
      const person = await signedIn(alice);
      const byQuery = await person.visit(rig.authorizeUrl({ client_info: '1' }));
      assert.equal(byQuery?.parameters.get('state'), 'some-state');
      assert.match(byQuery?.parameters.get('session_state') ?? '', /^[0-9a-f-]{36}$/);
      const info = JSON.parse(Buffer.from(byQuery?.parameters.get('client_info') ?? '', 'base64url').toString());
      assert.deepEqual(info, { uid: rig.ids.users.alice, utid: rig.tenant });
      const byFragment = await person.visit(rig.authorizeUrl({ response_mode: 'fragment' }));
      assert.ok(byFragment?.url.hash.includes('code='));
      await person.visit(rig.authorizeUrl({ response_mode: 'form_post' }));
      const { action, hidden } = person.form();
      assert.equal(action.href, callback);
      assert.deepEqual(Object.keys(hidden), ['code', 'session_state', 'state']);
    });

    it('goes to a registered redirect URI, on any port of the loopback', async () => {
      const moved = { redirect_uri: 'http://localhost:54321/auth/callback' };
      const landing = await rig.person().signIn(rig.authorizeUrl(moved), alice);
      const { status } = await rig.redeem(landing.get('code') ?? '', moved);
      assert.equal(status, 200);
    });

    it('needs PKCE where the seed says so', async () => {
      const url = rig.authorizeUrl({ code_challenge: undefined, code_challenge_method: undefined });
      assert.match((await rig.person().visit(url))?.parameters.get('error_description') ?? '', /^AADSTS900144/);
    });
  });

  describe('the sign-out', () => {
    it('tells every application of the session by a frame with sid and no iss, and goes on', async () => {
      const person = rig.person();
      const landing = await person.signIn(rig.authorizeUrl(), alice);
      const { body } = await rig.redeem(landing.get('code') ?? '');
      const { sid } = readClaims(body.id_token ?? '');
      const next = encodeURIComponent('http://localhost:3000/');
      await person.visit(
        `${rig.emulator.browserOrigin}/${rig.tenant}/oauth2/v2.0/logout?post_logout_redirect_uri=${next}&state=x`,
      );
      const { html } = person.page();
      assert.deepEqual(
        [...html.matchAll(/<iframe src="([^"]+)"/g)].map(([, src]) => src),
        [`http://localhost:3000/auth/front-channel-logout?sid=${sid}`],
      );
      assert.match(html, /content="1;url=http:\/\/localhost:3000\/\?state=x"/);
      assert.equal(
        (await person.visit(rig.authorizeUrl({ prompt: 'none' })))?.parameters.get('error'),
        'login_required',
      );
    });

    it('leaves refresh tokens alive, and goes nowhere that is not registered', async () => {
      const { refresh_token = '' } = await rig.tokens();
      const person = await signedIn(alice);
      await person.visit(
        `${rig.emulator.browserOrigin}/${rig.tenant}/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.example.com/`,
      );
      assert.doesNotMatch(person.page().html, /evil/);
      assert.equal((await rig.refresh(refresh_token)).status, 200);
    });

    it('names iss where a switch says so', async () => {
      await rig.admin('PUT', '/switches', { logoutIss: true });
      const person = await signedIn(alice);
      await person.visit(`${rig.emulator.browserOrigin}/${rig.tenant}/oauth2/v2.0/logout`);
      assert.match(person.page().html, /sid=[0-9a-f-]+&amp;iss=https/);
    });
  });

  describe('every page', () => {
    it('says it is an emulator, has a language and one heading, and lets nothing in from outside', async () => {
      const person = rig.person();
      const seen: string[] = [];
      const check = () => {
        const { html } = person.page();
        seen.push(person.title() ?? '');
        assert.match(html, /Emulator, not Microsoft/);
        assert.match(html, /<html lang="en">/);
        assert.equal(html.match(/<h1>/g)?.length, 1);
        assert.doesNotMatch(html, /(src|href)="https?:\/\/(?!localhost)/);
      };
      await person.visit(rig.authorizeUrl({ claims: '{"access_token":{"acrs":{"value":"c1"}}}' }));
      check();
      await person.answer({ username: alice });
      check();
      await person.answer({ stepup: 'approve' });
      check();
      await person.visit(rig.authorizeUrl({ client_id: 'nothing' }));
      check();
      assert.deepEqual(seen, ['Pick an account', 'Approve sign-in', 'Permissions requested', 'Sign-in error']);
      const response = await fetch(rig.authorizeUrl());
      const policy = response.headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /style-src 'nonce-[^']+'/);
      assert.match(policy, /form-action 'self' http:\/\/localhost:3000/);
      assert.match(response.headers.get('set-cookie') ?? '', /HttpOnly; Max-Age=86400; SameSite=Lax$/);
    });

    it('shows parameters as text, never as markup', async () => {
      const person = rig.person();
      await person.visit(rig.authorizeUrl({ login_hint: '"><script>alert(1)</script>' }));
      assert.doesNotMatch(person.page().html, /<script>alert/);
      await person.visit(rig.authorizeUrl({}, '<script>alert(1)</script>'));
      assert.doesNotMatch(person.page().html, /<script>alert/);
    });
  });
});
