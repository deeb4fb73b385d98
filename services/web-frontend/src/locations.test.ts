import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxCookieHeaderBytes } from '@onbehalf/node/web/session/cookies';
import { type Browser, incompressible, leadsTo, openTestbed, type Testbed, tenantId } from './testbed.fake.ts';
import { upstreamsSchema } from './upstreams/file/upstreams-file.ts';

const [a, b, shop, hr] = [
  'https://a.example.com',
  'https://b.example.com',
  'https://c.example.com/shop',
  'https://c.example.com/hr',
] as const;
const all = [a, b, shop, hr];
const open = (options: Parameters<typeof openTestbed>[0] = {}) => openTestbed({ locations: all, ...options });

/** A browser at one location: what is asked for is below it. */
function visitorAt(testbed: Testbed, base: string, browser: Browser = testbed.browser()) {
  const { host, origin, pathname } = new URL(base);
  const prefix = pathname.replace(/\/$/, '');
  const at = { host, origin };
  return {
    browser,
    open: (path: string) => browser.send(prefix + path, { headers: { host } }),
    script: (path: string, headers = {}) => browser.script(prefix + path, { headers: { ...at, ...headers } }),
    submit: (path: string, body = '') =>
      browser.send(prefix + path, {
        ...{ method: 'POST', body },
        headers: { ...at, 'content-type': 'application/x-www-form-urlencoded' },
      }),
    async signIn(path = '/sign-in', visit = {}) {
      const { location } = await this.open(path);
      return this.open(`/auth/callback?${testbed.visit(location, visit)}`);
    },
    session: async () => (await browser.script(`${prefix}/session`, { headers: at })).status,
  };
}

describe('a location', () => {
  for (const base of all) {
    it(`has redirect URI, return path, links, refusals and sign-out of its own: ${base}`, async () => {
      await using testbed = await open();
      const at = visitorAt(testbed, base);
      const prefix = new URL(base).pathname.replace(/\/$/, '');
      const welcome = await at.open('/');
      const links = [...welcome.body.matchAll(/(?:href|action)="(\/[^"]*)"/g)].map(([, link]) => link);
      assert.deepEqual(links, [`${prefix}/`, `${prefix}/sign-in`]);
      assert.equal((await at.open('/profile')).location, `${prefix}/sign-in?return_to=${prefix}/profile`);
      const refused = JSON.parse((await at.script('/session')).body);
      assert.equal(refused.sign_in, `${prefix}/sign-in`);
      assert.equal(JSON.parse((await at.script('/api/orders/x')).body).sign_in, `${prefix}/sign-in`);
      const { location } = await at.open(`/sign-in?return_to=${prefix}/profile`);
      assert.equal(new URL(location).searchParams.get('redirect_uri'), `${base}/auth/callback`);
      const back = await at.open(`/auth/callback?${testbed.visit(location)}`);
      assert.equal(back.location, `${prefix}/profile`);
      const redeemed = new URLSearchParams(testbed.broker.requests.find(({ path }) => path === '/oauth2/token')?.body);
      assert.equal(redeemed.get('redirect_uri'), `${base}/auth/callback`);
      const home = await at.open('/');
      assert.match(home.body, new RegExp(`action="${prefix}/sign-out"`));
      assert.match(home.body, new RegExp(`href="${prefix}/whoami"`));
      assert.equal((await at.script('/api/orders/x')).status, 200);
      const left = await at.submit('/sign-out', 'where=here');
      assert.equal(new URL(left.location).searchParams.get('post_logout_redirect_uri'), `${base}/`);
      assert.match((await at.open('/')).body, /You are signed out\./);
      assert.equal(await at.session(), 401);
    });
  }

  it('has a step-up that comes back to it, and opens at no other one', async () => {
    await using testbed = await open();
    const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
    const challenge = `Bearer error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`;
    testbed.setApiResponse(() => ({ status: 401, headers: { 'www-authenticate': challenge } }));
    const at = visitorAt(testbed, shop);
    await at.signIn();
    const page = await at.open('/whoami');
    assert.match(page.location, /^\/shop\/sign-in\?return_to=%2Fshop%2Fwhoami&claims=/);
    const { sign_in } = JSON.parse((await at.script('/api/orders/x')).body);
    assert.match(sign_in, /^\/shop\/sign-in\?claims=/);
    const link = sign_in.slice('/shop'.length);
    const other = visitorAt(testbed, hr, at.browser);
    await other.signIn();
    assert.equal((await other.open(link)).status, 400);
    const { location } = await at.open(`${link}&return_to=/shop/whoami`);
    assert.equal(new URL(location).searchParams.get('claims'), claims);
    assert.equal((await at.open(`/auth/callback?${testbed.visit(location)}`)).location, '/shop/whoami');
  });

  it('leads back to its own paths only', async () => {
    await using testbed = await open();
    const at = visitorAt(testbed, shop);
    for (const [path, leads] of [
      ['/shop/profile?x=1', '/shop/profile?x=1'],
      ['/shop', '/shop/'],
      ['/profile', '/shop/'],
      ['/hr/profile', '/shop/'],
      ['/shop/../hr/profile', '/shop/'],
      ['/shop/%2e%2e/hr', '/shop/'],
      ['/shopping', '/shop/'],
      ['/shop//evil.example.com', '/shop/'],
      ['/shop/api/orders/x', '/shop/'],
      ['/shop/sign-in', '/shop/'],
    ] as const)
      assert.equal((await at.signIn(`/sign-in?return_to=${encodeURIComponent(path)}`)).location, leads, path);
  });

  it('gives addresses of its own for those of an API', async () => {
    await using testbed = await open();
    const at = visitorAt(testbed, shop);
    await at.signIn();
    testbed.setApiResponse(() => ({ status: 201, headers: { location: '/x/7' } }));
    assert.equal((await at.script('/api/orders/x')).location, '/shop/api/orders/x/7');
  });

  it('takes changes and data from its own origin only', async () => {
    await using testbed = await open();
    const at = visitorAt(testbed, a);
    await at.signIn();
    for (const origin of [b, 'https://c.example.com', 'http://a.example.com', 'https://a.example.com:8443'])
      assert.equal((await at.script('/session', { origin })).status, 403, origin);
    assert.equal(await at.session(), 200);
  });

  it('shows its pages of Strict cookies and form responses like any', async () => {
    await using testbed = await open({ sameSite: 'strict', responseMode: 'form_post' });
    const at = visitorAt(testbed, shop);
    const { location } = await at.open('/sign-in?return_to=/shop/profile');
    const back = await at.submit('/auth/callback', String(testbed.visit(location)));
    assert.equal(leadsTo(back), '/shop/profile');
    assert.equal(await at.session(), 200);
  });

  it('ends sessions by front-channel logout, whichever location Entra calls', async () => {
    for (const base of all) {
      await using testbed = await open();
      const [one, other] = [visitorAt(testbed, a), visitorAt(testbed, shop)];
      await one.signIn();
      await other.signIn();
      const { status, body } = await visitorAt(testbed, base).open('/auth/front-channel-logout?sid=sid-alice');
      assert.deepEqual([status, body], [200, 'signed out\n']);
      assert.deepEqual([await one.session(), await other.session()], [401, 401]);
    }
  });
});

describe('sessions', () => {
  it('of one location are none of another, by cookie name or by what is sealed', async () => {
    await using testbed = await open();
    for (const from of all) {
      const own = visitorAt(testbed, from);
      await own.signIn();
      const [[name = '', value = ''] = []] = [...own.browser.cookies].filter(([key]) => key.endsWith('session'));
      for (const to of all.filter((base) => base !== from)) {
        const taken = testbed.browser();
        const suffix = { [shop]: 'shop~', [hr]: 'hr~' }[to as string] ?? '';
        for (const as of [name, `__Host-Http-${suffix}session`]) taken.cookies.set(as, value);
        assert.equal(await visitorAt(testbed, to, taken).session(), 401, `${from} at ${to}`);
      }
      assert.equal(await own.session(), 200);
    }
  });

  it('and attempts of two paths live beside each other in one browser, and end alone', async () => {
    await using testbed = await open();
    const one = visitorAt(testbed, shop);
    const other = visitorAt(testbed, hr, one.browser);
    const begun = await one.open('/sign-in');
    await other.signIn('/sign-in', { claims: { oid: 'oid-bob', tid: tenantId, sid: 'sid-bob' } });
    await one.open(`/auth/callback?${testbed.visit(begun.location)}`);
    const oidOf = async (at: typeof one) => JSON.parse((await at.script('/session')).body).person?.oid;
    assert.deepEqual([await oidOf(one), await oidOf(other)], ['oid-alice', 'oid-bob']);
    await one.submit('/sign-out', 'where=here');
    assert.doesNotMatch((await other.open('/')).body, /You are signed out\./, 'a notice of another location');
    assert.deepEqual([await oidOf(one), await oidOf(other)], [undefined, 'oid-bob']);
  });

  it('cannot be completed at another location than they were begun at', async () => {
    await using testbed = await open();
    const one = visitorAt(testbed, shop);
    const { location } = await one.open('/sign-in');
    const calls = testbed.broker.requests.length;
    const other = visitorAt(testbed, hr, one.browser);
    assert.equal((await other.open(`/auth/callback?${testbed.visit(location)}`)).status, 400);
    assert.equal(testbed.broker.requests.length, calls);
  });

  it('of four paths of a host fit into one Cookie header, with attempts beside them', async () => {
    const paths = ['one', 'two', 'three', 'four'].map((path) => `https://c.example.com/${path}`);
    for (const sameSite of ['lax', 'strict'] as const) {
      await using testbed = await openTestbed({ locations: paths, sameSite });
      const browser = testbed.browser();
      const bytes = () => [...browser.cookies].reduce((sum, [name, value]) => sum + `${name}=${value}; `.length, 0);
      const claims = {
        oid: 'o'.repeat(36),
        tid: tenantId,
        sid: 's',
        name: incompressible(160),
        login_hint: incompressible(300),
      };
      for (const base of [...paths, ...paths]) {
        const at = visitorAt(testbed, base, browser);
        const { pathname } = new URL(base);
        for (let tab = 0; tab < 3; tab += 1) {
          await at.open(`/sign-in?return_to=${pathname}/${incompressible(900)}`);
          assert.ok(bytes() <= maxCookieHeaderBytes, `${base}, tab ${tab}: ${bytes()}`);
        }
        await at.signIn('/sign-in', { claims });
        assert.ok(bytes() <= maxCookieHeaderBytes, `${base}: ${bytes()}`);
      }
      for (const base of paths) assert.equal(await visitorAt(testbed, base, browser).session(), 200, base);
    }
  });
});

describe('an app behind the frontend', () => {
  const hosts = [...new Set(all.map((base) => new URL(base).host))];
  const surroundings = { publicHosts: hosts, own: { hosts: [], ports: [] }, brokerUrl: 'http://broker', apis: [] };
  const openFront = () =>
    open({ upstreams: (url) => upstreamsSchema(surroundings).parse({ app: { url, pass: 'identity' } }) });

  it('lies below each location, and has the session of that location only', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    const [one, other] = [visitorAt(testbed, shop, browser), visitorAt(testbed, hr, browser)];
    const first = await one.open('/orders?x=1');
    assert.equal(first.location, '/shop/sign-in?return_to=%2Fshop%2Forders%3Fx%3D1');
    const back = await one.signIn(first.location.slice('/shop'.length));
    assert.equal(back.location, '/shop/orders?x=1');
    assert.equal((await one.open('/orders?x=1')).status, 200);
    const { path, headers } = testbed.api.requests.at(-1) ?? assert.fail();
    assert.equal(path, '/shop/orders?x=1');
    assert.deepEqual([headers['x-forwarded-host'], headers['x-forwarded-proto']], ['c.example.com', 'https']);
    const [, claims = ''] = String(headers.authorization).split('.');
    assert.equal(JSON.parse(Buffer.from(claims, 'base64url').toString()).iss, a);
    assert.equal((await other.open('/orders')).location, '/hr/sign-in?return_to=%2Fhr%2Forders');
    assert.equal(JSON.parse((await other.script('/orders')).body).sign_in, '/hr/sign-in');
    browser.cookies.set('__Host-Http-hr~session', String(browser.cookies.get('__Host-Http-shop~session')));
    assert.equal((await other.script('/orders')).status, 401, 'the session of the other path, under this name');
  });

  it('gets changes from its own origin only, and nothing from other hosts or paths', async () => {
    await using testbed = await openFront();
    const at = visitorAt(testbed, shop);
    await at.signIn();
    assert.equal((await at.submit('/orders')).status, 200);
    const calls = testbed.api.requests.length;
    const headers = { host: 'c.example.com', origin: a };
    assert.equal((await at.browser.send('/shop/orders', { method: 'POST', headers })).status, 403);
    assert.equal((await at.browser.send('/orders', { headers: { host: 'c.example.com' } })).status, 404);
    assert.equal((await at.browser.send('/shop/orders', { headers: { host: 'evil.example.com' } })).status, 421);
    assert.equal(testbed.api.requests.length, calls);
  });
});

describe('a request that came to no location', () => {
  it('is 421 by a page without links, JSON for a script, and no cookie is touched', async () => {
    await using testbed = await open();
    const browser = testbed.browser();
    for (const host of ['evil.example.com', 'a.example.com:8443', 'a.example.com.', '127.0.0.1']) {
      for (const path of ['/', '/sign-in', '/auth/callback?state=x', '/session', '/api/orders/x', '/shop/']) {
        const page = await browser.send(path, { headers: { host, cookie: '__Host-Http-session=x' } });
        assert.deepEqual([page.status, page.setCookies, page.location], [421, [], ''], `${host}${path}`);
      }
      const { body } = await browser.send('/', { headers: { host } });
      assert.match(body, /This site has another address/);
      assert.doesNotMatch(body, /<a href="\/|<a class="button"|<form/);
      const told = await browser.script('/', { headers: { host } });
      assert.deepEqual([told.status, JSON.parse(told.body).error], [421, 'invalid_request']);
      assert.doesNotMatch(body + told.body, /evil|a\.example/, 'repeats the host, or tells ours');
    }
    assert.equal(testbed.broker.requests.length, 0);
  });

  it('is 404 without links at a known host, outside of its paths', async () => {
    await using testbed = await open();
    for (const path of ['/', '/sign-in', '/shopping', '/shop%2Fprofile', '/SHOP/']) {
      const { status, body, setCookies } = await testbed.browser().send(path, { headers: { host: 'c.example.com' } });
      assert.deepEqual([status, setCookies], [404, []], path);
      assert.doesNotMatch(body, /<a href="\/|<a class="button"/, path);
    }
  });
});
