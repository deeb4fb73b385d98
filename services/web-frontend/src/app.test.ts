import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import {
  alice,
  type Browser,
  type BrowserResponse,
  openTestbed,
  publicBaseUrl,
  ringOf,
  signIn,
} from './testbed.fake.ts';

type Row = { what: string; status: number; send: (browser: Browser) => Promise<BrowserResponse>; allow?: string };

const form = { 'content-type': 'application/x-www-form-urlencoded', origin: publicBaseUrl };
const post = (path: string, headers: Record<string, string>, body: string) => (browser: Browser) =>
  browser.send(path, { method: 'POST', headers, body });

const badInput: Row[] = [
  { what: 'an unknown route', status: 404, send: (b) => b.send('/nothing') },
  { what: 'a route in other letters', status: 404, send: (b) => b.send('/Sign-In') },
  { what: 'a route with a final slash', status: 404, send: (b) => b.send('/profile/') },
  { what: 'a broken escape', status: 400, send: (b) => b.script('/api/%zz/x') },
  { what: 'POST on a page', status: 405, allow: 'GET, HEAD', send: (b) => b.send('/', { method: 'POST' }) },
  { what: 'PUT on sign-in', status: 405, allow: 'GET, HEAD', send: (b) => b.send('/sign-in', { method: 'PUT' }) },
  { what: 'GET on sign-out', status: 405, allow: 'POST', send: (b) => b.send('/sign-out') },
  {
    what: 'POST on the callback by query',
    status: 405,
    allow: 'GET, HEAD',
    send: post('/auth/callback', form, 'state=x'),
  },
  {
    what: 'DELETE on session',
    status: 405,
    allow: 'GET, HEAD',
    send: (b) => b.script('/session', { method: 'DELETE' }),
  },
  {
    what: 'JSON instead of a form',
    status: 415,
    send: post('/sign-out', { ...form, 'content-type': 'application/json' }, '{}'),
  },
  {
    what: 'a form in another charset',
    status: 415,
    send: post('/sign-out', { ...form, 'content-type': `${form['content-type']}; charset=utf-7` }, 'a=b'),
  },
  { what: 'a body over the limit', status: 413, send: post('/sign-out', form, `a=${'b'.repeat(20_000)}`) },
  { what: 'too many parameters', status: 413, send: post('/sign-out', form, 'a=b&'.repeat(50)) },
  { what: 'an unknown way to sign out', status: 400, send: post('/sign-out', form, 'where=elsewhere') },
  { what: 'a way to sign out given twice', status: 400, send: post('/sign-out', form, 'where=here&where=here') },
  { what: 'a callback of nobody', status: 400, send: (b) => b.send('/auth/callback?code=a&state=b') },
  { what: 'a callback without anything', status: 400, send: (b) => b.send('/auth/callback') },
  { what: 'a logout without sid', status: 400, send: (b) => b.send('/auth/front-channel-logout') },
  { what: 'a logout with two sids', status: 400, send: (b) => b.send('/auth/front-channel-logout?sid=a&sid=b') },
];

describe('bad input', () => {
  for (const { what, status, send, allow } of badInput) {
    it(`gets ${status} and changes nothing: ${what}`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const [cookie, calls] = [browser.cookies.get(sessionCookie), testbed.broker.requests.length];
      const response = await send(browser);
      assert.equal(response.status, status);
      if (allow !== undefined) assert.equal(response.headers.get('allow'), allow);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.match(response.body, /Reference <span|"trace_id":"[0-9a-f]{32}"/);
      assert.deepEqual(response.setCookies, []);
      assert.equal(browser.cookies.get(sessionCookie), cookie);
      assert.equal(testbed.broker.requests.length, calls);
      assert.equal(testbed.broker.sessions.size, 1);
    });
  }

  it('takes a broken session cookie for none, and leaves it: another pod may have its key', async () => {
    await using testbed = await openTestbed();
    for (const value of ['x', 'eyJhbGciOiJub25lIn0..', 'a.b.c.d.e', '%00', '"', 'x'.repeat(4_000)]) {
      const browser = testbed.browser();
      browser.cookies.set(sessionCookie, value);
      const { status, setCookies, body } = await browser.send('/');
      assert.deepEqual([status, setCookies], [200, []]);
      assert.match(body, /href="\/sign-in"/);
      assert.equal((await browser.script('/session')).status, 401);
      assert.equal((await browser.send('/profile')).location, '/sign-in?return_to=/profile');
    }
    assert.equal(testbed.broker.requests.length, 0);
  });

  it('does not serve the absolute form, whatever host it names', async () => {
    await using testbed = await openTestbed();
    const socket: Socket = connect(testbed.port, '127.0.0.1');
    socket.end('GET http://evil.example/sign-in HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
    assert.doesNotMatch(await text(socket), /redirect_uri=http%3A%2F%2Fevil/);
  });

  it('shows a page to a browser and JSON to a script', async () => {
    await using testbed = await openTestbed();
    const html = await testbed.browser().send('/nothing');
    assert.match(html.headers.get('content-type') ?? '', /^text\/html/);
    for (const headers of [{ 'x-csrf': '1' }, { accept: 'application/json' }, { accept: '*/*' }]) {
      const { body } = await testbed.browser().send('/nothing', { headers });
      assert.equal(JSON.parse(body).error, 'not_found');
    }
  });
});

/** Every route of the app with its methods, and what guards it. One that is not here fails the test below. */
const guards: Record<string, 'page' | 'same origin' | 'from Entra' | 'public'> = {
  'GET /': 'page',
  'GET /profile': 'page',
  'GET /whoami': 'page',
  'GET /graph/me': 'page',
  'GET /payroll': 'page',
  'GET /sign-in': 'page',
  'GET /session': 'same origin',
  'POST /sign-out': 'same origin',
  'ALL /api/*path': 'same origin',
  'GET /auth/callback': 'from Entra',
  'GET /auth/front-channel-logout': 'from Entra',
  'GET /auth/jwks.json': 'public',
};

const foreign: [string, Record<string, string>][] = [
  ['nothing that says where it is from', {}],
  ['a foreign Origin', { origin: 'https://evil.example' }],
  ['a foreign Origin with the header', { origin: 'https://evil.example', 'x-csrf': '1' }],
  ['Origin null', { origin: 'null', 'x-csrf': '1' }],
  ['our Origin as a prefix', { origin: `${publicBaseUrl}.evil.example`, 'x-csrf': '1' }],
  ['our host with another port', { origin: 'http://localhost:3001', 'x-csrf': '1' }],
  ['Sec-Fetch-Site cross-site', { 'sec-fetch-site': 'cross-site', 'x-csrf': '1' }],
  ['Sec-Fetch-Site same-site', { 'sec-fetch-site': 'same-site', 'x-csrf': '1' }],
  ['Sec-Fetch-Site none', { 'sec-fetch-site': 'none' }],
  ['our Origin but a cross-site fetch', { origin: publicBaseUrl, 'sec-fetch-site': 'cross-site' }],
  ['another value of the header', { 'x-csrf': '0' }],
  ['a foreign Referer', { referer: 'https://evil.example/' }],
];

describe('cross-site request forgery', () => {
  it('has every route of the app in the table', async () => {
    await using testbed = await openTestbed();
    type Layer = { route?: { path: string; methods: Record<string, boolean> }; handle: { stack?: Layer[] } };
    const walk = (layers: Layer[]): string[] =>
      layers.flatMap(({ route, handle }) => {
        if (!route) return walk(handle.stack ?? []);
        const named = Object.keys(route.methods).filter((name) => name !== '_all');
        return named.map((name) => `${name.toUpperCase()} ${route.path}`);
      });
    const pages = walk(testbed.app.router.stack as unknown as Layer[]);
    const ours = [...testbed.routes].flatMap(([path, route]) => Object.keys(route).map((name) => `${name} ${path}`));
    assert.deepEqual([...pages, ...ours].sort(), Object.keys(guards).sort());
  });

  const guarded = Object.entries(guards).filter(([, guard]) => guard === 'same origin');
  const requests = guarded.flatMap(([route]) => {
    const [method = '', path = ''] = route.split(' ');
    const url = path.replace('*path', 'orders/x');
    return (method === 'ALL' ? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] : [method]).map((m) => ({
      method: m,
      url,
    }));
  });
  for (const { method, url } of requests) {
    it(`is refused on ${method} ${url}, ${foreign.length} ways`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const calls = testbed.broker.requests.length;
      for (const [what, headers] of foreign) {
        const { status, setCookies, headers: answered } = await browser.send(url, { method, headers });
        assert.deepEqual([status, setCookies], [403, []], what);
        assert.equal(answered.get('access-control-allow-origin'), null);
      }
      assert.equal(testbed.broker.requests.length, calls, 'nothing was asked of the broker');
      assert.equal(testbed.api.requests.length, 0);
    });
  }

  it('leaves our own forms and scripts alone', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const headers of [{ 'x-csrf': '1' }, { origin: publicBaseUrl }, { 'sec-fetch-site': 'same-origin' }]) {
      assert.equal((await browser.send('/session', { headers: headers as Record<string, string> })).status, 200);
    }
    assert.equal((await browser.send('/profile', { headers: { 'sec-fetch-site': 'cross-site' } })).status, 200);
  });
});

describe('the session', () => {
  it('is shown with its times', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const { person, session } = JSON.parse((await browser.script('/session')).body);
    assert.deepEqual(person, { name: alice.name, oid: alice.oid, tid: alice.tid });
    assert.ok(Math.abs(session.ends_in_seconds - 36_000) < 5);
    assert.ok(Math.abs(session.timeout_in_seconds - 3_600) < 5);
    assert.equal(new Date(session.ends_at).toISOString(), session.ends_at);
  });

  it('outlives key rotation: sealed anew with the current key, gone only with its own', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const first = browser.cookies.get(sessionCookie);
    testbed.keys.ring = ringOf('b', 'a');
    assert.equal((await browser.script('/session')).status, 200);
    const second = browser.cookies.get(sessionCookie);
    assert.notEqual(second, first);
    testbed.keys.ring = ringOf('b');
    const { status, setCookies } = await browser.script('/session');
    assert.deepEqual([status, setCookies], [200, []]);
    browser.cookies.set(sessionCookie, String(first));
    assert.equal((await browser.script('/session')).status, 401);
  });

  it('stays under the size that browsers keep, with the longest names and every step-up', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const claims = {
      ...alice,
      name: '名'.repeat(400),
      preferred_username: `${'ü'.repeat(300)}@x`,
      login_hint: 'h'.repeat(1_200),
    };
    await signIn(testbed, browser, '/sign-in', { claims });
    assert.ok(sessionCookie.length + String(browser.cookies.get(sessionCookie)).length < 4_096);
    assert.equal((await browser.script('/session')).status, 200);
  });

  it('is anonymous once it has ended, and its cookie goes', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.sessions.clear();
    const { status, body } = await browser.send('/');
    assert.equal(status, 200);
    assert.doesNotMatch(body, /Alice/);
    assert.equal(browser.cookies.has(sessionCookie), false);
  });
});

describe('a page', () => {
  it('may load nothing, run nothing, be framed by nobody and be cached nowhere', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const path of ['/', '/profile', '/whoami', '/nothing']) {
      const { headers, body } = await browser.send(path);
      const policy = headers.get('content-security-policy') ?? '';
      const nonce = /style-src 'nonce-([^']+)'/.exec(policy)?.[1];
      assert.match(policy, /default-src 'none'.*base-uri 'none'.*frame-ancestors 'none'/);
      assert.ok(nonce && body.includes(`<style nonce="${nonce}">`));
      assert.ok(policy.includes(`form-action 'self' ${testbed.entra.origin};`));
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('referrer-policy'), 'same-origin');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.doesNotMatch(body, /<script|<img|src=| on[a-z]+=|href="(?!\/|#|data:)/);
      assert.match(body, /<html lang="en">/);
      assert.equal(body.match(/<h1>/g)?.length, 1);
    }
  });
});

describe('the foot of a page', () => {
  it('links to the trace of the request where there is a viewer', async () => {
    await using testbed = await openTestbed({ traceViewerUrl: 'http://localhost:4318' });
    const footer = /Reference <span id="reference">([0-9a-f]{32})<\/span> <a href="([^"]+)">See its trace<\/a>/;
    for (const path of ['/', '/nothing']) {
      const [, reference, href] = footer.exec((await testbed.browser().send(path)).body) ?? [];
      assert.ok(reference);
      assert.equal(href, `http://localhost:4318/traces/${reference}`);
    }
  });

  it('names the reference alone elsewhere', async () => {
    await using testbed = await openTestbed();
    assert.match(
      (await testbed.browser().send('/')).body,
      /Reference <span id="reference">[0-9a-f]{32}<\/span><\/footer>/,
    );
  });
});

describe('limits', () => {
  const flood = { publicRate: { perSecond: 1, burst: 3 } };

  it('stop a flood on the public routes, not on pages, and pass with time', async () => {
    await using testbed = await openTestbed(flood);
    const browser = testbed.browser();
    for (const path of ['/sign-in', '/auth/callback?state=x', '/auth/front-channel-logout?sid=x'])
      await browser.send(path);
    const { status, headers } = await browser.send('/sign-in');
    assert.deepEqual([status, headers.get('retry-after')], [429, '1']);
    assert.equal((await browser.send('/')).status, 200);
    testbed.clock.nowMs += 1_000;
    assert.equal((await browser.send('/sign-in')).status, 303);
  });

  it('believe X-Forwarded-For from trusted hops only, and take an IPv6 network for one client', async () => {
    const drain = async (options: object, addresses: string[]) => {
      await using testbed = await openTestbed({ ...flood, ...options });
      const statuses: number[] = [];
      for (const address of addresses) {
        const { status } = await testbed.browser().send('/sign-in', { headers: { 'x-forwarded-for': address } });
        statuses.push(status);
      }
      return statuses.at(-1);
    };
    const four = ['9.9.9.1', '9.9.9.2', '9.9.9.3', '9.9.9.4'];
    assert.equal(await drain({}, four), 429, 'a client cannot name its own address');
    assert.equal(await drain({ trustedProxies: ['loopback'] }, four), 303);
    const spoofed = four.map((address) => `${address}, 8.8.8.8`);
    assert.equal(await drain({ trustedProxies: ['loopback'] }, spoofed), 429, 'the last untrusted hop counts');
    const network = ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::1', '2001:db8:0:0:1:2:3:4'];
    assert.equal(await drain({ trustedProxies: ['loopback'] }, network), 429);
    const ports = four.map((_, port) => `9.9.9.1:${20_000 + port}`);
    assert.equal(await drain({ trustedProxies: ['loopback'] }, ports), 429, 'a new port is no new client');
  });
});
