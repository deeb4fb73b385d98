import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { apiTarget } from '@onbehalf/node/web/api/api-wire';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { alice, apiScope, openTestbed, publicBaseUrl, signIn } from '../testbed.fake.ts';

const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const challenge = `Bearer error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`;
const stepUp = { status: 401, headers: { 'www-authenticate': challenge }, json: { error: 'insufficient_claims' } };
const scopesOf = (location: string) => new URL(location).searchParams.get('scope')?.split(' ');

async function signedIn(options: Parameters<typeof openTestbed>[0] = {}) {
  const testbed = await openTestbed(options);
  const browser = testbed.browser();
  await signIn(testbed, browser);
  return { testbed, browser, [Symbol.asyncDispose]: () => testbed[Symbol.asyncDispose]() };
}

describe('a page that calls the API', () => {
  it('shows the response, escaped, and never the token', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => ({ json: { name: '<img src=x>' } }));
    const { status, body } = await at.browser.send('/whoami');
    assert.equal(status, 200);
    assert.match(body, /&lt;img src=x&gt;/);
    assert.doesNotMatch(body, /<img|at-plain/);
    const [received] = at.testbed.api.requests;
    assert.deepEqual([received?.path, received?.headers.authorization], ['/whoami', 'Bearer at-plain']);
    const exchange = at.testbed.broker.requests.findLast(({ path }) => path === '/oauth2/token');
    assert.equal(new URLSearchParams(exchange?.body).get('scope'), apiScope);
    assert.equal(received?.headers.traceparent?.slice(3, 35), String(exchange?.headers.traceparent).slice(3, 35));
  });

  it('asks for text as it is, whatever the browser takes', async () => {
    await using at = await signedIn();
    await at.browser.send('/whoami', { headers: { 'accept-encoding': 'br' } });
    assert.equal(at.testbed.api.requests[0]?.headers['accept-encoding'], 'identity');
  });

  it('shows a refusal of the API with its status', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => ({ status: 403, json: { error: 'forbidden' } }));
    const { status, body } = await at.browser.send('/whoami');
    assert.equal(status, 200);
    assert.match(body, /refused with status 403/);
    assert.doesNotMatch(body, /Sign in again/);
  });

  it('offers to sign in again where the API no longer takes the sign-in', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => ({ status: 401, json: { error: 'invalid_token' } }));
    const { body } = await at.browser.send('/whoami');
    assert.match(body, /refused with status 401[\s\S]*<a href="\/sign-in\?return_to=\/whoami">Sign in again<\/a>/);
  });

  it('sends an anonymous person to sign in and back', async () => {
    await using testbed = await openTestbed();
    assert.equal((await testbed.browser().send('/whoami')).location, '/sign-in?return_to=/whoami');
  });

  it('sends the person through consent and back to the very page', async () => {
    await using at = await signedIn();
    const { broker } = at.testbed;
    broker.responses.set('/oauth2/token', (form) =>
      form.get('grant_type') === 'authorization_code'
        ? undefined
        : { status: 400, json: { error: 'consent_required', scope: apiScope, error_codes: [65_001] } },
    );
    const away = await at.browser.send('/whoami');
    assert.match(away.location, /^\/sign-in\?return_to=%2Fwhoami&claims=/);
    const { location } = await at.browser.send(away.location);
    assert.ok(scopesOf(location)?.includes(apiScope));
    assert.equal(new URL(location).searchParams.get('login_hint'), alice.login_hint);
    assert.equal(new URL(location).searchParams.get('prompt'), null);
    const back = await at.browser.send(`/auth/callback?${at.testbed.visit(location)}`);
    assert.equal(back.location, '/whoami');

    // Asked for again at once: a page, not a loop; five minutes later it is news.
    const again = await at.browser.send('/whoami');
    assert.deepEqual([again.status, again.location], [403, '']);
    assert.match(again.body, /href="\/sign-in\?return_to=%2Fwhoami&amp;claims=/);
    at.testbed.clock.nowMs += 301_000;
    assert.equal((await at.browser.send('/whoami')).status, 303);
    broker.responses.clear();
    assert.equal((await at.browser.send('/whoami')).status, 200);
  });

  it('tells that only an administrator can consent, without a redirect', async () => {
    await using at = await signedIn();
    at.testbed.broker.responses.set('/oauth2/token', () => ({
      status: 400,
      json: { error: 'consent_required', error_codes: [90_094] },
    }));
    const { status, body } = await at.browser.send('/whoami');
    assert.equal(status, 403);
    assert.match(body, /only an administrator/);
  });

  it('takes a claims challenge to the broker and repeats the call', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(({ headers }) =>
      headers.authorization === 'Bearer at-plain' ? stepUp : { json: { paid: 1 } },
    );
    const { status, body } = await at.browser.send('/payroll');
    assert.equal(status, 200);
    assert.match(body, /paid/);
    assert.deepEqual(
      at.testbed.api.requests.map(({ headers }) => headers.authorization),
      ['Bearer at-plain', `Bearer at-${claims}`],
    );
  });

  it('sends the person to step up with the claims, and asks with them from then on', async () => {
    await using at = await signedIn();
    let satisfied = false;
    at.testbed.broker.responses.set('/oauth2/token', (form) =>
      form.has('claims') && !satisfied ? { status: 400, json: { error: 'interaction_required', claims } } : undefined,
    );
    at.testbed.setApiResponse(({ headers }) =>
      headers.authorization === 'Bearer at-plain' ? stepUp : { json: { paid: 1 } },
    );
    const away = await at.browser.send('/payroll');
    const { location } = await at.browser.send(away.location);
    assert.equal(new URL(location).searchParams.get('claims'), claims);
    assert.ok(scopesOf(location)?.includes(apiScope));
    satisfied = true;
    const back = await at.browser.send(`/auth/callback?${at.testbed.visit(location)}`);
    assert.equal(back.location, '/payroll');
    at.testbed.api.requests.length = 0;
    assert.equal((await at.browser.send('/payroll')).status, 200);
    assert.deepEqual(
      at.testbed.api.requests.map(({ headers }) => headers.authorization),
      [`Bearer at-${claims}`],
    );
  });

  it('visits Entra twice at most when the API is never satisfied', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => stepUp);
    let page = await at.browser.send('/payroll');
    let visits = 0;
    for (; page.status === 303 && visits < 10; visits += 1) {
      const { location } = await at.browser.send(page.location);
      const back = await at.browser.send(`/auth/callback?${at.testbed.visit(location)}`);
      page = await at.browser.send(back.location);
    }
    assert.deepEqual([page.status, visits], [403, 1]);
  });

  it('does not resume when another account comes back', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => stepUp);
    const away = await at.browser.send('/payroll');
    const { location } = await at.browser.send(away.location);
    const back = await at.browser.send(
      `/auth/callback?${at.testbed.visit(location, { claims: { ...alice, oid: 'oid-bob' } })}`,
    );
    assert.equal(back.location, '/');
  });

  it('asks for a scope that the API names, if it is configured', async () => {
    await using at = await signedIn();
    let scope = 'api://orders/.default';
    at.testbed.setApiResponse(() => ({
      status: 403,
      headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
    }));
    const away = await at.browser.send('/graph/me');
    const { location } = await at.browser.send(away.location);
    assert.ok(scopesOf(location)?.includes('api://orders/.default'));
    scope = 'api://evil/.default';
    assert.match((await at.browser.send('/graph/me')).body, /refused with status 403/);
  });

  it('clears the cookie of a session that has ended and asks to sign in, once', async () => {
    await using at = await signedIn();
    at.testbed.broker.sessions.clear();
    const { location } = await at.browser.send('/whoami');
    assert.match(location, /^\/sign-in\?return_to=%2Fwhoami/);
    assert.equal(at.browser.cookies.has(sessionCookie), false);
    const { location: authorize } = await at.browser.send(location);
    await at.browser.send(`/auth/callback?${at.testbed.visit(authorize)}`);
    at.testbed.broker.sessions.clear();
    assert.equal((await at.browser.send('/whoami')).status, 403);
  });
});

/** What an API must not say in our name: to a browser of this origin, to proxies of this hop. */
const ofOrigin = {
  ...{
    'set-cookie': '__Host-session=x',
    'set-cookie2': 'a=b',
    refresh: '0;url=https://evil.example',
    'alt-svc': 'h2="e:1"',
  },
  ...{ 'strict-transport-security': 'max-age=0', 'service-worker-allowed': '/', 'clear-site-data': '"*"', nel: '{}' },
  ...{
    'content-security-policy': 'x',
    'content-security-policy-report-only': 'report-uri //e',
    'referrer-policy': 'unsafe-url',
  },
  ...{
    'x-frame-options': 'ALLOWALL',
    'x-content-type-options': 'x',
    'permissions-policy': 'camera=*',
    'report-to': '{}',
  },
  ...{
    'reporting-endpoints': 'a="https://e"',
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
  },
  ...{
    'cross-origin-resource-policy': 'cross-origin',
    'cross-origin-opener-policy': 'unsafe-none',
    'timing-allow-origin': '*',
  },
  ...{
    'content-location': '/other',
    'speculation-rules': '"/x"',
    sourcemap: '/x',
    'accept-ch': 'dpr',
    'www-authenticate': 'Basic',
  },
  ...{
    'proxy-authenticate': 'Basic',
    'authentication-info': 'x',
    'x-accel-redirect': '/x',
    'x-accel-buffering': 'yes',
    via: 'x',
  },
  ...{
    server: 'IIS',
    'x-powered-by': 'x',
    'origin-agent-cluster': '?0',
    'public-key-pins': 'x',
    'x-sendfile': '/etc/passwd',
  },
};

describe('/api', () => {
  it('streams a request and its response with listed headers only', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => ({
      status: 201,
      headers: {
        'set-cookie': 'a=b',
        'x-secret': '1',
        'access-control-allow-origin': '*',
        'www-authenticate': 'Basic',
        connection: 'close',
        etag: '"1"',
        location: '/orders/1',
      },
      json: { made: true },
    }));
    const { status, headers, body } = await at.browser.script('/api/orders/orders?x=%2F..', {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', authorization: 'Bearer mine', 'x-forwarded-for': '1.2.3.4' },
        ...{
          'x-other': '1',
          traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
          te: 'trailers',
          'idempotency-key': 'k',
        },
      },
      body: '{"a":1}',
    });
    assert.deepEqual([status, JSON.parse(body)], [201, { made: true }]);
    assert.deepEqual([headers.get('etag'), headers.get('location')], ['"1"', '/api/orders/orders/1']);
    for (const name of ['set-cookie', 'x-secret', 'access-control-allow-origin', 'www-authenticate'])
      assert.equal(headers.get(name), null, name);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match(headers.get('content-security-policy') ?? '', /sandbox/);
    const [received] = at.testbed.api.requests;
    assert.deepEqual([received?.method, received?.path, received?.body], ['POST', '/orders?x=%2F..', '{"a":1}']);
    assert.equal(received?.headers.authorization, 'Bearer at-plain');
    assert.equal(received?.headers['idempotency-key'], 'k');
    for (const name of ['cookie', 'x-csrf', 'x-forwarded-for', 'x-other', 'te', 'origin'])
      assert.equal(received?.headers[name], undefined, name);
    assert.doesNotMatch(String(received?.headers.traceparent), /^00-a{32}/);
  });

  it('passes what pages of lists, rate limits and event streams need, and what is configured besides', async () => {
    const routes = [{ methods: ['GET'], path: '/*' }];
    const more = { allowRequestHeaders: ['Ocp-Apim-Subscription-Key'], allowResponseHeaders: ['X-Own'] };
    const options = (url: string) => ({ orders: { url, scopes: [apiScope], routes, ...more } });
    await using at = await signedIn({ apis: options });
    const usual = { 'x-total-count': '7', 'x-ratelimit-remaining': '1', 'ratelimit-reset': '2' };
    at.testbed.setApiResponse(() => ({ headers: { ...usual, 'x-own': 'o', 'x-other': 'x', 'proxy-status': 'p' } }));
    const asked = { 'last-event-id': '4', consistencylevel: 'eventual', 'ocp-apim-subscription-key': 'k' };
    const { headers } = await at.browser.script('/api/orders/x', { headers: { ...asked, 'x-own': 'o' } });
    for (const [name, value] of Object.entries({ ...usual, 'x-own': 'o' }))
      assert.equal(headers.get(name), value, name);
    for (const name of ['x-other', 'proxy-status']) assert.equal(headers.get(name), null, name);
    const [received] = at.testbed.api.requests;
    for (const [name, value] of Object.entries(asked)) assert.equal(received?.headers[name], value, name);
    assert.equal(received?.headers['x-own'], undefined);
  });

  it('gives the API’s own addresses as the browser reaches them, and others as they are', async () => {
    const options = (url: string) => ({ orders: { url: `${url}/base`, scopes: [apiScope] } });
    await using at = await signedIn({ apis: options });
    const { origin } = at.testbed.api;
    const rows: [address: string, here: string][] = [
      [`${origin}/base/operations/1?x=%2F#f`, '/api/orders/operations/1?x=%2F#f'],
      ['/base/operations/1', '/api/orders/operations/1'],
      ['1', '/api/orders/list/1'],
      ['/base/\u00c3\u00bc', '/api/orders/%C3%BC'],
      ['https://other.example/\u00c3\u00bc', 'https://other.example/\u00c3\u00bc'],
      [`${origin}/elsewhere`, `${origin}/elsewhere`],
      [`${origin}/base`, `${origin}/base`],
      ['https://other.example/base/x', 'https://other.example/base/x'],
      ['/base/../admin', '/base/../admin'],
      ['http://[', 'http://['],
    ];
    for (const [address, here] of rows) {
      const link = `<${address}>; rel="next", <https://other.example/>; rel="help"`;
      at.testbed.setApiResponse(() => ({ headers: { location: address, 'operation-location': address, link } }));
      const { headers } = await at.browser.script('/api/orders/list/');
      assert.deepEqual([headers.get('location'), headers.get('operation-location')], [here, here]);
      assert.equal(headers.get('link'), `<${here}>; rel="next", <https://other.example/>; rel="help"`);
    }
  });

  it('gives what leads on, and no hint that a browser or a proxy acts on', async () => {
    await using at = await signedIn();
    const kept =
      '</api/orders/2>; rel="next"; title="a, <b>; rel=x", <https://other.example/>; rel=help, </api/orders/s>; rel="self"';
    const hints = [
      'preload',
      '"preload"',
      '"next prefetch"',
      'PRECONNECT',
      '"dns-prefetch"',
      '"pre\\load"',
      'modulepreload',
    ];
    const more = [
      'stylesheet',
      '"compression-dictionary"',
      'serviceworker',
      'prerender',
      'manifest',
      '"shortcut icon"',
    ];
    const hinted = [...hints, ...more].map((rel) => `</evil.js>; as=script; Rel = ${rel}`);
    const sent = kept.replaceAll('/api/orders/', '/');
    for (const link of [`${hinted.join(', ')}, ${sent}`, `${sent}, ${hinted.join(',')}`, sent]) {
      at.testbed.setApiResponse(() => ({ headers: { link } }));
      assert.equal((await at.browser.script('/api/orders/x')).headers.get('link'), kept);
    }
    at.testbed.setApiResponse(() => ({ headers: { link: hinted.join(', ') } }));
    assert.equal((await at.browser.script('/api/orders/x')).headers.get('link'), null);
  });

  it('speaks for this origin itself, whatever the API says of it', async () => {
    await using at = await signedIn();
    const ours = await at.browser.script('/api/orders/x');
    at.testbed.setApiResponse(() => ({ headers: { ...ofOrigin, 'x-total-count': '1' } }));
    const { headers } = await at.browser.script('/api/orders/x');
    assert.equal(headers.get('x-total-count'), '1');
    for (const name of Object.keys(ofOrigin)) assert.equal(headers.get(name), ours.headers.get(name), name);
  });

  it('is no script, no style and no worker of a page', async () => {
    await using at = await signedIn();
    const site = { 'sec-fetch-site': 'same-origin', 'x-csrf': '1' };
    const asking = (dest: string) => at.browser.send('/api/orders/x', { headers: { ...site, 'sec-fetch-dest': dest } });
    const runs = ['script', 'style', 'worker', 'sharedworker', 'serviceworker', 'audioworklet', 'paintworklet', 'xslt'];
    for (const dest of runs) assert.equal((await asking(dest)).status, 403, dest);
    assert.equal(at.testbed.api.requests.length, 0);
    for (const dest of ['empty', 'document', 'image', 'video', 'font'])
      assert.equal((await asking(dest)).status, 200, dest);
  });

  it('gives a redirect back instead of following it', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => ({ status: 302, headers: { location: `${at.testbed.entra.origin}/keys` } }));
    const before = at.testbed.entra.requests.length;
    assert.equal((await at.browser.script('/api/orders/x')).status, 302);
    assert.equal(at.testbed.entra.requests.length, before);
  });

  it('tells a script what is needed and where to go, and does not send a POST twice', async () => {
    await using at = await signedIn();
    at.testbed.setApiResponse(() => stepUp);
    const { status, body } = await at.browser.script('/api/orders/x', { method: 'POST', body: 'x' });
    const { error, sign_in } = JSON.parse(body);
    assert.deepEqual([status, error], [401, 'interaction_required']);
    assert.match(sign_in, /^\/sign-in\?claims=/);
    assert.equal(at.testbed.api.requests.length, 1);
    const { location } = await at.browser.send(`${sign_in}&return_to=/profile`);
    const back = await at.browser.send(`/auth/callback?${at.testbed.visit(location)}`);
    assert.equal(back.location, '/profile');
    const again = JSON.parse((await at.browser.script('/api/orders/x', { method: 'POST', body: 'x' })).body);
    assert.deepEqual([again.repeated, again.sign_in], [true, undefined]);
  });

  it('responds to an anonymous script with 401 and the way to sign in', async () => {
    await using testbed = await openTestbed();
    const { status, body } = await testbed.browser().script('/api/orders/x');
    assert.deepEqual([status, JSON.parse(body).sign_in], [401, '/sign-in']);
  });

  it('reaches nothing off the list: other names, methods, paths and ways of writing them', async () => {
    await using at = await signedIn({
      apis: (url) => ({
        orders: { url: `${url}/base`, scopes: [apiScope], routes: [{ methods: ['GET'], path: '/orders/*' }] },
      }),
    });
    const raw = [
      '//evil.example',
      '/orders//x',
      '/orders/../x',
      '/orders/..',
      '/orders/./x',
      '/orders/%2e%2e/x',
      '/orders/%2E%2E%2Fx',
    ];
    const more = [
      '/orders/%2fx',
      '/orders/%5cx',
      '/orders/%00',
      '/orders/%252e',
      '/orders/%zz',
      '/orders/\\x',
      '/other',
      '/orders',
      '',
    ];
    for (const path of [...raw, ...more])
      assert.notEqual(await sendRaw(at.testbed.port, `/api/orders${path}`, at.browser), 200, path);
    for (const target of [
      '/api/unknown/orders/x',
      '/api/__proto__/orders/x',
      `http://evil.example/api/orders/orders/x`,
      '/api//orders/orders/x',
      '/api/orders@evil.example/x',
    ]) {
      assert.notEqual(await sendRaw(at.testbed.port, target, at.browser), 200, target);
    }
    assert.equal((await at.browser.script('/api/orders/orders/x', { method: 'POST' })).status, 404);
    assert.equal((await at.browser.script('/api/orders/orders/x', { method: 'DELETE' })).status, 404);
    assert.equal(at.testbed.api.requests.length, 0);
    assert.equal((await at.browser.script('/api/orders/orders/x')).status, 200);
    assert.equal(at.testbed.api.requests[0]?.path, '/base/orders/x');
  });

  it('passes an encoded slash as it is where the route says so, and nowhere else', async () => {
    const methods = ['GET'];
    const routes = [
      { methods, path: '/packages/*', encodedSlashes: true },
      { methods, path: '/*' },
    ];
    await using at = await signedIn({
      apis: (url) => ({ orders: { url: `${url}/base`, scopes: [apiScope], routes } }),
    });
    at.testbed.setApiResponse(() => ({ headers: { location: '/base/packages/@org%2Fother' } }));
    for (const path of [
      '/packages/@org%2Fname',
      '/packages/%2Fsubscriptions%2F1',
      '/packages/https%3A%2f%2fx.test%2f?a=%2F',
    ])
      assert.equal(await sendRaw(at.testbed.port, `/api/orders${path}`, at.browser), 200, path);
    assert.deepEqual(
      at.testbed.api.requests.splice(0).map(({ path }) => path),
      [
        '/base/packages/@org%2Fname',
        '/base/packages/%2Fsubscriptions%2F1',
        '/base/packages/https%3A%2f%2fx.test%2f?a=%2F',
      ],
    );
    for (const path of [
      '/other/a%2Fb',
      '/packages/..%2Fadmin',
      '/packages/a%2F..%2f..%2Fadmin',
      '/packages/a%252Fb',
      '/%2Fpackages/x',
    ])
      assert.equal(await sendRaw(at.testbed.port, `/api/orders${path}`, at.browser), 404, path);
    assert.equal(at.testbed.api.requests.length, 0);
    const { headers } = await at.browser.script('/api/orders/packages/@org%2Fname');
    assert.equal(headers.get('location'), '/api/orders/packages/@org%2Fother');
  });

  it('frames a body anew, so that none becomes a request of its own, and drops the body of a read', async () => {
    await using at = await signedIn();
    const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n';
    for (const method of ['DELETE', 'POST']) {
      const sending = request({ port: at.testbed.port, host: '127.0.0.1', path: '/api/orders/x', method });
      for (const [name, value] of Object.entries(headersOf(at.browser))) sending.setHeader(name, value);
      sending.setHeader('transfer-encoding', 'chunked');
      sending.end(smuggled);
      const [response] = await once(sending, 'response');
      response.resume();
      assert.equal(response.statusCode, 200);
      const received = at.testbed.api.requests.splice(0);
      assert.deepEqual(
        received.map(({ method: m, body }) => [m, body]),
        [[method, smuggled]],
      );
    }
    const reading = request({ port: at.testbed.port, host: '127.0.0.1', path: '/api/orders/x', method: 'GET' });
    for (const [name, value] of Object.entries({ ...headersOf(at.browser), 'content-length': '3' }))
      reading.setHeader(name, value);
    reading.end('abc');
    const [response] = await once(reading, 'response');
    response.resume();
    assert.deepEqual(
      at.testbed.api.requests.map(({ body, headers }) => [body, headers['content-length']]),
      [['', undefined]],
    );
  });

  it('sends a POST and a DELETE without a body', async () => {
    await using at = await signedIn();
    for (const method of ['POST', 'DELETE'])
      assert.equal((await at.browser.script('/api/orders/x', { method })).status, 200);
  });

  it('is 503 when the API cannot be reached', async () => {
    await using at = await signedIn();
    at.testbed.api.down = true;
    assert.equal((await at.browser.script('/api/orders/x')).status, 503);
  });

  it('drops the call when the browser leaves', async () => {
    await using at = await signedIn();
    at.testbed.api.hangs = true;
    const leaving = request({
      port: at.testbed.port,
      host: '127.0.0.1',
      path: '/api/orders/x',
      headers: headersOf(at.browser),
    });
    leaving.on('error', () => undefined).end();
    const socket = await at.testbed.api.connected();
    leaving.destroy();
    await once(socket, 'close');
  });
});

describe('an API target', () => {
  it('is read from a plain request line', () => {
    assert.deepEqual(apiTarget('/api/orders/a/b%20c?d=e'), { name: 'orders', path: '/a/b%20c', query: '?d=e' });
  });
});

function headersOf({ cookies }: { cookies: Map<string, string> }) {
  return {
    'x-csrf': '1',
    origin: publicBaseUrl,
    cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
  };
}

/** Sends a request line as it is: no client normalises it. */
async function sendRaw(port: number, path: string, browser: { cookies: Map<string, string> }): Promise<number> {
  const sending = request({ port, host: '127.0.0.1', path, headers: headersOf(browser) }).end();
  const [response] = await once(sending, 'response');
  response.resume();
  return response.statusCode;
}
