import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { decodeJwt } from 'jose';
import { alice, leadsTo, openTestbed, publicBaseUrl, signIn } from '../testbed.fake.ts';

const loginCookies = (names: Iterable<string>) => [...names].filter((name) => name.includes('-login-'));

function refuse(parameters: URLSearchParams, error: string): void {
  parameters.delete('code');
  parameters.set('error', error);
}

describe('sign-in', () => {
  it('asks Entra by code with PKCE, state, nonce and the flow as client-request-id', async () => {
    await using testbed = await openTestbed();
    const { status, location, setCookies } = await testbed
      .browser()
      .send('/sign-in?login_hint=a%40b&domain_hint=b&prompt=select_account');
    assert.equal(status, 303);
    const asked = Object.fromEntries(new URL(location).searchParams);
    assert.equal(asked.redirect_uri, `${publicBaseUrl}/auth/callback`);
    assert.equal(asked.response_type, 'code');
    assert.equal(asked.scope, 'openid profile offline_access');
    assert.equal(asked.code_challenge_method, 'S256');
    assert.match(asked['client-request-id'] ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    assert.deepEqual([asked.login_hint, asked.domain_hint, asked.prompt], ['a@b', 'b', 'select_account']);
    assert.match(
      setCookies[0] ?? '',
      /^__Host-Http-login-[^;]+; Max-Age=900; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  it('redeems at the broker with our assertion, the nonce and the trace of the flow', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const asked = new URL(location).searchParams;
    await browser.send(`/auth/callback?${testbed.visit(location)}`);
    const grant = testbed.broker.requests.find(({ path }) => path === '/oauth2/token');
    const form = new URLSearchParams(grant?.body);
    assert.equal(form.get('nonce'), asked.get('nonce'));
    assert.equal(form.get('client_assertion'), 'our-assertion');
    const traceId = (asked.get('client-request-id') ?? '').replaceAll('-', '');
    assert.equal(String(grant?.headers.traceparent).slice(3, 35), traceId);
  });

  it('signs in with a sealed session cookie and leads back', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { status, location, setCookies } = await signIn(testbed, browser, '/sign-in?return_to=/profile');
    assert.deepEqual([status, location], [303, '/profile']);
    const cookie = setCookies.find((line) => line.startsWith(sessionCookie)) ?? '';
    assert.match(cookie, /; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    assert.throws(() => decodeJwt(cookie));
    assert.deepEqual(loginCookies(browser.cookies.keys()), []);
    const page = await browser.send('/');
    assert.match(page.body, /Hello, Alice &lt;b&gt;/);
  });

  it('completes five tabs, and lets the oldest of six go', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const tabs: string[] = [];
    for (let tab = 0; tab < 6; tab += 1) {
      testbed.clock.nowMs += 1_000;
      tabs.push((await browser.send(`/sign-in?return_to=/profile%3Ftab=${tab}`)).location);
      assert.ok(loginCookies(browser.cookies.keys()).length <= 5);
    }
    const landed: unknown[] = [];
    for (const tab of tabs) {
      const { status, location } = await browser.send(`/auth/callback?${testbed.visit(tab)}`);
      landed.push(status === 303 ? location : status);
    }
    assert.deepEqual(landed, [400, ...[1, 2, 3, 4, 5].map((tab) => `/profile?tab=${tab}`)]);
    assert.equal(testbed.broker.sessions.size, 1, 'each sign-in ends the session it takes the place of');
  });

  it('ends the session that was there before, seen or not at the callback', async () => {
    await using testbed = await openTestbed({ sameSite: 'strict' });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const [first] = testbed.broker.sessions.keys();
    const { location } = await browser.send('/sign-in');
    const strict = browser.cookies.get(sessionCookie);
    browser.cookies.delete(sessionCookie);
    await browser.send(`/auth/callback?${testbed.visit(location)}`);
    assert.notEqual(browser.cookies.get(sessionCookie), strict);
    assert.equal(testbed.broker.sessions.has(String(first)), false);
  });

  it('lands by one navigation of its own where the session is Strict', async () => {
    await using testbed = await openTestbed({ sameSite: 'strict' });
    const { status, body, setCookies } = await signIn(
      testbed,
      testbed.browser(),
      '/sign-in?return_to=/profile%3Fa=%22b',
    );
    assert.equal(status, 200);
    assert.match(body, /<meta http-equiv="refresh" content="0;url=\/profile\?a=%22b">/);
    assert.match(setCookies.find((line) => line.startsWith(sessionCookie)) ?? '', /SameSite=Strict$/);
  });

  it('takes the response by form_post with a login cookie that crosses sites', async () => {
    await using testbed = await openTestbed({ responseMode: 'form_post' });
    const browser = testbed.browser();
    const { location, setCookies } = await browser.send('/sign-in');
    assert.equal(new URL(location).searchParams.get('response_mode'), 'form_post');
    assert.match(setCookies[0] ?? '', /Secure; SameSite=None$/);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: testbed.entra.origin };
    const body = testbed.visit(location).toString();
    const response = await browser.send('/auth/callback', { method: 'POST', headers, body });
    assert.deepEqual([response.status, response.location], [303, '/']);
    assert.equal((await browser.send('/auth/callback')).status, 405);
  });

  it('starts over once when the code cannot be used, then says so', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    testbed.broker.responses.set('/oauth2/token', () => ({ status: 400, json: { error: 'invalid_grant' } }));
    const again = await signIn(testbed, browser, '/sign-in?return_to=/profile');
    assert.equal(again.status, 303);
    assert.match(again.location, /\/authorize\?/);
    const second = await browser.send(`/auth/callback?${testbed.visit(again.location)}`);
    assert.equal(second.status, 400);
    assert.equal(browser.cookies.has(sessionCookie), false);
  });

  const refused: [string, (testbed: Awaited<ReturnType<typeof openTestbed>>) => object, Record<string, string>?][] = [
    ['an ID token signed by another key', () => ({ forged: true })],
    ['an ID token of another issuer', () => ({ claims: { ...alice, iss: 'https://evil.example/v2.0' } })],
    ['an ID token for another client', () => ({ claims: { ...alice, aud: 'someone-else' } })],
    ['an ID token with another nonce', () => ({ claims: { ...alice, nonce: 'other' } })],
    ['an ID token that has expired', () => ({ claims: { ...alice, exp: 1 } })],
    ['an ID token without oid', () => ({ claims: { tid: alice.tid } })],
    ['a mixed-up iss', () => ({}), { iss: 'https://evil.example/v2.0' }],
  ];
  for (const [what, visit, extra] of refused) {
    it(`gives no session for ${what}`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      const { location } = await browser.send('/sign-in');
      const parameters = testbed.visit(location, visit(testbed));
      for (const [name, value] of Object.entries(extra ?? {})) parameters.set(name, value);
      const { status, body } = await browser.send(`/auth/callback?${parameters}`);
      assert.equal(status, 400);
      assert.match(body, /could not be verified/);
      assert.equal(browser.cookies.has(sessionCookie), false);
    });
  }

  const callbacks: [string, (callback: URLSearchParams) => void, number][] = [
    ['no state', (p) => p.delete('state'), 400],
    ['a foreign state', (p) => p.set('state', '00000000-aaaa.bbbb'), 400],
    ['a state with another secret', (p) => p.set('state', `${p.get('state')?.split('.')[0]}.x`), 400],
    ['a state twice', (p) => p.append('state', p.get('state') ?? ''), 400],
    ['a code twice', (p) => p.append('code', 'x'), 400],
    ['a refusal', (p) => refuse(p, 'access_denied'), 403],
    ['an unknown error', (p) => refuse(p, '<script>'), 400],
    ['neither code nor error', (p) => p.delete('code'), 400],
  ];
  for (const [what, change, status] of callbacks) {
    it(`responds to a callback with ${what} by ${status} and no session`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      const { location } = await browser.send('/sign-in');
      const parameters = testbed.visit(location);
      change(parameters);
      const response = await browser.send(`/auth/callback?${parameters}`);
      assert.equal(response.status, status);
      assert.doesNotMatch(response.body, /<script/);
      assert.equal(browser.cookies.has(sessionCookie), false);
      assert.equal(testbed.broker.sessions.size, 0);
    });
  }

  it('refuses a replayed callback, one in another browser, and one that took too long', async () => {
    await using testbed = await openTestbed();
    const begin = async (browser: ReturnType<typeof testbed.browser>) =>
      `/auth/callback?${testbed.visit((await browser.send('/sign-in')).location)}`;
    const [late, browser] = [testbed.browser(), testbed.browser()];
    const lateCallback = await begin(late);
    testbed.clock.nowMs += 901_000;
    assert.equal((await late.send(lateCallback)).status, 400);
    const callback = await begin(browser);
    assert.equal((await testbed.browser().send(callback)).status, 400);
    assert.equal((await browser.send(callback)).status, 303);
    assert.equal((await testbed.browser().send(callback)).status, 400);
    assert.equal(testbed.broker.sessions.size, 1);
  });

  it('leads a callback that is repeated while signed in to the start, whichever of several it is', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const callbacks: string[] = [];
    for (const path of ['/profile', '/whoami']) {
      const { location } = await browser.send(`/sign-in?return_to=${path}`);
      callbacks.push(`/auth/callback?${testbed.visit(location)}`);
      assert.equal((await browser.send(String(callbacks.at(-1)))).location, path);
    }
    const [session, calls] = [browser.cookies.get(sessionCookie), testbed.broker.requests.length];
    for (const callback of [...callbacks, ...callbacks]) {
      const { status, location, setCookies } = await browser.send(callback);
      assert.deepEqual([status, location, setCookies], [303, '/', []]);
    }
    assert.equal(browser.cookies.get(sessionCookie), session);
    assert.equal(testbed.broker.requests.length, calls, 'no code is sent again');
  });

  it('completes a callback that is sent twice at once: neither is an error', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in?return_to=/profile');
    const callback = `/auth/callback?${testbed.visit(location)}`;
    const both = await Promise.all([browser.send(callback), browser.send(callback)]);
    const where = both.map((response) => response.location.replace(/\?.*/, '')).sort();
    assert.deepEqual(where, ['/profile', `${testbed.entra.origin}/authorize`]);
    const again = both.find((response) => response.location !== '/profile')?.location ?? '';
    assert.equal((await browser.send(`/auth/callback?${testbed.visit(again)}`)).location, '/profile');
    assert.equal(testbed.broker.sessions.size, 1);
  });

  it('says what to do where a repeated callback finds nobody signed in', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const callback = `/auth/callback?${testbed.visit(location)}`;
    const { status, body, setCookies } = await testbed.browser().send(callback);
    assert.deepEqual([status, setCookies], [400, []]);
    assert.match(body, /completed already[\s\S]*href="\/"[\s\S]*href="\/sign-in">Sign in again/);
  });

  it('leads a repeated callback to the start where the session is Strict and not seen, which says what to do', async () => {
    await using testbed = await openTestbed({ sameSite: 'strict' });
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const callback = `/auth/callback?${testbed.visit(location)}`;
    await browser.send(callback);
    const session = String(browser.cookies.get(sessionCookie));
    browser.cookies.delete(sessionCookie);
    const again = await browser.send(callback);
    assert.deepEqual([again.status, leadsTo(again)], [200, '/']);
    assert.match((await browser.send('/')).body, /completed already, took too long/);
    await browser.send(callback);
    browser.cookies.set(sessionCookie, session);
    assert.doesNotMatch((await browser.send('/')).body, /completed already/);
  });

  for (const sameSite of ['lax', 'strict'] as const) {
    for (const error of ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']) {
      it(`leads back where nobody may be asked and Entra says ${error}, with a ${sameSite} session`, async () => {
        await using testbed = await openTestbed({ sameSite });
        const browser = testbed.browser();
        const { location } = await browser.send('/sign-in?prompt=none&return_to=/profile%3Fa=b');
        assert.equal(new URL(location).searchParams.get('prompt'), 'none');
        const parameters = testbed.visit(location);
        refuse(parameters, error);
        parameters.set('error_description', `AADSTS50058: ${'x'.repeat(2_000)}`);
        const back = await browser.send(`/auth/callback?${parameters}`);
        assert.deepEqual([back.status, leadsTo(back)], [sameSite === 'lax' ? 303 : 200, '/profile?a=b']);
        assert.deepEqual([...browser.cookies.keys()], []);
        assert.equal(testbed.broker.sessions.size, 0);
      });
    }
  }

  it('shows the refusal where people may be asked, and any other where they may not', async () => {
    await using testbed = await openTestbed();
    for (const [query, error, status] of [
      ['', 'login_required', 400],
      ['?prompt=none', 'access_denied', 403],
      ['?prompt=none', 'server_error', 503],
    ] as const) {
      const browser = testbed.browser();
      const parameters = testbed.visit((await browser.send(`/sign-in${query}`)).location);
      refuse(parameters, error);
      assert.equal((await browser.send(`/auth/callback?${parameters}`)).status, status, error);
    }
  });

  const administrators: [query: string, agreed: boolean][] = [
    ['admin_consent=True&tenant=t', true],
    ['admin_consent=true&tenant=t&state=12345&scope=a', true],
    ['admin_consent=False', false],
    ['error=access_denied&error_description=AADSTS65004%3a+declined&admin_consent=True', false],
    ['error=consent_required&error_description=x&admin_consent=True&tenant=t&state=12345', false],
  ];
  for (const responseMode of ['query', 'form_post'] as const) {
    for (const [query, agreed] of administrators) {
      it(`shows that an administrator ${agreed ? 'has' : 'has not'} agreed: ${query}, ${responseMode}`, async () => {
        await using testbed = await openTestbed({ responseMode });
        const browser = testbed.browser();
        await browser.send('/sign-in');
        const calls = testbed.broker.requests.length;
        const { status, body, setCookies } = await browser.send(`/auth/callback?${query}`);
        assert.deepEqual([status, setCookies], [200, []]);
        assert.match(body, agreed ? /<h1>An administrator has agreed/ : /<h1>An administrator has not agreed/);
        assert.doesNotMatch(body, /12345|AADSTS/);
        assert.equal(testbed.broker.requests.length, calls);
        assert.equal(testbed.broker.sessions.size, 0);
      });
    }
  }

  it('shows it for the state of an attempt too, which stays', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const parameters = testbed.visit(location);
    const state = parameters.get('state');
    const { body } = await browser.send(`/auth/callback?admin_consent=True&tenant=t&state=${state}`);
    assert.match(body, /An administrator has agreed/);
    parameters.set('admin_consent', 'True');
    assert.equal((await browser.send(`/auth/callback?${parameters}`)).location, '/', 'a code that comes with it');
  });

  it('keeps the attempt through an outage: the same response works when it is over', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const callback = `/auth/callback?${testbed.visit(location)}`;
    testbed.broker.responses.set('/oauth2/token', () => ({ status: 503, headers: { 'retry-after': '7' } }));
    const down = await browser.send(callback);
    assert.deepEqual([down.status, down.headers.get('retry-after')], [503, '7']);
    testbed.broker.responses.clear();
    assert.equal((await browser.send(callback)).status, 303);
  });

  for (const path of [
    '/sign-in?scope=evil',
    '/sign-in?claims=made-up',
    '/sign-in?prompt=x',
    '/sign-in?return_to=/&return_to=/',
  ]) {
    it(`refuses ${path} before anything is begun`, async () => {
      await using testbed = await openTestbed();
      const { status, setCookies } = await testbed.browser().send(path);
      assert.deepEqual([status, setCookies], [400, []]);
    });
  }

  it('takes a configured scope and the short name of one, never another', async () => {
    await using testbed = await openTestbed();
    const { location } = await testbed.browser().send('/sign-in?scope=access_as_user&prompt=consent');
    assert.equal(
      new URL(location).searchParams.get('scope'),
      'openid profile offline_access api://orders/access_as_user',
    );
    assert.equal(new URL(location).searchParams.get('prompt'), 'consent');
  });

  it('asks for what is configured at sign-in, and for another API in its place where a page needs that', async () => {
    const signInScopes = ['openid', 'offline_access', 'api://other/Read', 'api://other/Write'];
    await using testbed = await openTestbed({ signInScopes });
    const scopeOf = async (query: string) =>
      new URL((await testbed.browser().send(`/sign-in${query}`)).location).searchParams.get('scope');
    assert.equal(await scopeOf(''), signInScopes.join(' '));
    assert.equal(await scopeOf('?scope=access_as_user'), 'openid offline_access api://orders/access_as_user');
    const browser = testbed.browser();
    assert.equal((await signIn(testbed, browser)).status, 303);
  });

  it('signs in people of any tenant, each by the issuer of their own', async () => {
    await using testbed = await openTestbed({ tenantId: 'organizations' });
    const fabrikam = '33333333-3333-4333-8333-333333333333';
    const iss = `${testbed.entra.origin}/${fabrikam}/v2.0`;
    const send = async (claims: object, change: (parameters: URLSearchParams) => void = () => {}) => {
      const browser = testbed.browser();
      const { location } = await browser.send('/sign-in');
      const parameters = testbed.visit(location, { claims: { ...alice, ...claims } });
      change(parameters);
      return (await browser.send(`/auth/callback?${parameters}`)).status;
    };
    const keysBefore = testbed.entra.requests.filter(({ path }) => path.endsWith('/keys')).length;
    assert.equal(await send({}), 303);
    assert.equal(await send({ tid: fabrikam, iss }), 303);
    const keysAfter = testbed.entra.requests.filter(({ path }) => path.endsWith('/keys')).length;
    assert.equal(keysAfter - keysBefore, 1, 'the keys are the same for all tenants');
    assert.equal(await send({ tid: fabrikam }), 400, "a tenant with another one's issuer");
    assert.equal(await send({ iss }), 400, "an issuer with another one's tenant");
    assert.equal(await send({ tid: fabrikam, iss: 'https://evil.example/v2.0' }), 400);
    assert.equal(await send({ tid: 'not-a-guid', iss: `${testbed.entra.origin}/not-a-guid/v2.0` }), 400);
    assert.equal(await send({}, (parameters) => parameters.delete('client_info')), 400);
    assert.equal(await send({}, (parameters) => parameters.set('client_info', '%%')), 400);
    const logout = (value: string) =>
      testbed.browser().send(`/auth/front-channel-logout?${new URLSearchParams({ sid: 's', iss: value })}`);
    assert.equal((await logout(iss)).status, 200);
    assert.equal((await logout(`${testbed.entra.origin}/{tenantid}/v2.0`)).status, 400);
    assert.equal((await logout('https://evil.example/x/v2.0')).status, 400);
  });

  it('completes whatever the longest return path, hint and claims are: the cookie stays one that browsers keep', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const claims = {
      ...alice,
      login_hint: 'h'.repeat(512),
      name: '名'.repeat(400),
      preferred_username: 'ü'.repeat(300),
    };
    await signIn(testbed, browser, '/sign-in', { claims });
    const challenge = JSON.stringify({ access_token: { capolids: { values: ['x'.repeat(700)] } } });
    testbed.broker.responses.set('/oauth2/token', (form) =>
      form.has('code') ? undefined : { status: 400, json: { error: 'interaction_required', claims: challenge } },
    );
    for (const path of ['/api/orders/a', '/api/orders/b', '/api/orders/c', '/api/orders/d', '/api/orders/e']) {
      const { sign_in } = JSON.parse((await browser.script(path)).body);
      const location = leadsTo(await browser.send(`${sign_in}&return_to=/profile%3F${'y'.repeat(1_000)}`));
      for (const [name, value] of browser.cookies)
        assert.ok(name.length + value.length < 4_096, `${name}: ${value.length}`);
      assert.equal(new URL(location).searchParams.get('claims'), challenge);
      const back = await browser.send(`/auth/callback?${testbed.visit(location, { claims })}`);
      assert.equal(back.status, 303);
    }
    for (const [name, value] of browser.cookies)
      assert.ok(name.length + value.length < 4_096, `${name}: ${value.length}`);
  });

  it('logs no code, state, nonce, verifier, token, cookie or name', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const { location } = await browser.send('/sign-in');
    const parameters = testbed.visit(location);
    await browser.send(`/auth/callback?${parameters}`);
    await browser.send(`/auth/callback?${parameters}`);
    const asked = new URL(location).searchParams;
    const secrets = [
      parameters.get('code'),
      asked.get('state'),
      asked.get('nonce'),
      browser.cookies.get(sessionCookie),
    ];
    for (const secret of [...secrets, ...testbed.broker.sessions.keys(), 'Alice', 'our-assertion']) {
      assert.equal(testbed.logs().includes(String(secret)), false);
    }
  });
});
