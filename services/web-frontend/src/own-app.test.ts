import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { serve } from '@onbehalf/chassis/http/serve';
import { createWeb, handleFaults, onbehalf, requireSignIn, type Web, type WebOptions } from '@onbehalf/node/web';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import {
  alice,
  apiScope,
  Browser,
  clientId,
  openTestbed,
  publicBaseUrl,
  type Testbed,
  tenantId,
} from './testbed.fake.ts';

/** The options of an app of somebody's, beside the parties of a testbed. */
const optionsFor = ({ entra, broker, api }: Testbed): WebOptions => ({
  ...{ tenant: tenantId, clientId, authorityHost: entra.origin, publicBaseUrl },
  broker: { url: broker.origin, assertion: async () => 'our-assertion' },
  keys: [randomBytes(32).toString('base64')],
  apis: { orders: { url: api.origin, scopes: [apiScope], routes: [{ methods: ['GET', 'HEAD', 'POST'], path: '/*' }] } },
  log: { info: () => {}, warn: () => {}, error: () => {} },
});

async function openApp(handler: RequestListener) {
  const server = await serve(handler, { port: 0, host: '127.0.0.1', drainMs: 0 });
  return Object.assign(server, { browser: () => new Browser(server.port) });
}

/** Goes to Entra and back, and gives the response that the callback gave. */
const signIn = (testbed: Testbed, browser: Browser, location: string) =>
  browser.send(`/auth/callback?${testbed.visit(location)}`);

function expressApp(testbed: Testbed, before: RequestHandler[] = []) {
  const app = express();
  for (const handler of before) app.use(handler);
  app.use(onbehalf(optionsFor(testbed), {}));
  app.get('/open', (req, res) => void res.json(req.session));
  app.get(
    '/orders',
    requireSignIn(async (req, res) => void res.send(await (await req.fetch('orders', '/list')).text())),
  );
  app.get('/token', async (req, res) => void res.json({ token: await req.token('orders') }));
  app.get('/process', async (req, res) => void res.send(await req.startProcess('orders', { client: 'nightly' })));
  app.get('/fetch', async (req, res) => {
    const { status } = await req.fetch(String(req.query.api), String(req.query.path));
    res.json({ status });
  });
  app.post(
    '/change',
    requireSignIn(async (_req, res) => void res.json({ changed: true })),
  );
  app.use(handleFaults);
  const own: ErrorRequestHandler = (error, _req, res, _next) => void res.status(500).json({ own: String(error) });
  app.use(own);
  return app;
}

/** An app of Express and somebody who is signed in there. */
async function openSignedIn(testbed: Testbed, before?: RequestHandler[]) {
  const app = await openApp(expressApp(testbed, before));
  const browser = app.browser();
  await signIn(testbed, browser, (await browser.send('/sign-in')).location);
  return Object.assign(app, { person: browser });
}

const script = { headers: { accept: '*/*', 'x-csrf': '1' } };

describe('an app with onbehalf()', () => {
  it('sends a page to sign in and back, knows the person and calls an API for them', async () => {
    await using testbed = await openTestbed();
    await using app = await openApp(expressApp(testbed));
    const browser = app.browser();
    assert.deepEqual(JSON.parse((await browser.send('/open')).body), {});
    const sent = await browser.send('/orders?page=2');
    assert.deepEqual([sent.status, sent.location], [303, '/sign-in?return_to=%2Forders%3Fpage%3D2']);
    const landed = await signIn(testbed, browser, (await browser.send(sent.location)).location);
    assert.deepEqual([landed.status, landed.location], [303, '/orders?page=2']);
    assert.deepEqual(JSON.parse((await browser.send('/orders')).body), { authorization: 'Bearer at-plain' });
    assert.deepEqual(JSON.parse((await browser.send('/token')).body), { token: 'at-plain' });
    const { user } = JSON.parse((await browser.send('/open')).body);
    assert.deepEqual(user, { oid: alice.oid, tid: alice.tid, name: alice.name });
  });

  it('tells a script with 401 where to sign in, and takes a token without a session for the same', async () => {
    await using testbed = await openTestbed();
    await using app = await openApp(expressApp(testbed));
    for (const path of ['/orders', '/token', '/fetch?api=orders&path=/']) {
      const { status, body, headers } = await app.browser().send(path, script);
      assert.deepEqual([status, JSON.parse(body).error, JSON.parse(body).sign_in], [401, 'login_required', '/sign-in']);
      assert.equal(headers.get('cache-control'), 'no-store');
    }
    assert.equal((await app.browser().send('/token')).location, '/sign-in?return_to=%2Ftoken');
    assert.equal(testbed.broker.requests.length, 0);
  });

  it('sends the person to consent once and resumes the page, and shows a page where it is asked for again', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    let consented = false;
    const refusal = { status: 400, json: { error: 'consent_required', scope: apiScope } };
    testbed.broker.responses.set('/oauth2/token', (form) =>
      consented || form.get('grant_type') === 'authorization_code' ? undefined : refusal,
    );
    const told = await app.person.send('/token', script);
    assert.deepEqual([told.status, JSON.parse(told.body).error], [401, 'consent_required']);
    assert.match(JSON.parse(told.body).sign_in, /^\/sign-in\?claims=/);
    const { location } = await app.person.send((await app.person.send('/token?tab=2')).location);
    assert.equal(new URL(location).searchParams.get('scope'), `openid profile offline_access ${apiScope}`);
    assert.equal((await signIn(testbed, app.person, location)).location, '/token?tab=2');
    assert.equal((await app.person.send('/token?tab=2')).status, 403);
    consented = true;
    assert.deepEqual(JSON.parse((await app.person.send('/token?tab=2')).body), { token: 'at-plain' });
  });

  it('hands a process to a job, after the person has consented to what it needs', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    const forms: URLSearchParams[] = [];
    testbed.broker.responses.set('/oauth2/token', (form) => {
      forms.push(form);
      const isStart = form.get('requested_token_type')?.endsWith(':refresh_token');
      return isStart ? { json: { access_token: 'process.x', token_type: 'N_A', expires_in: 60 } } : undefined;
    });
    assert.equal((await app.person.send('/process')).body, 'process.x');
    assert.deepEqual(
      forms.map((form) => [form.get('audience'), form.get('scope')]),
      [
        [null, apiScope],
        ['nightly', apiScope],
      ],
    );
    testbed.broker.sessions.clear();
    assert.match((await app.person.send('/process')).location, /^\/sign-in\?/);
    assert.equal((await app.browser().send('/process', script)).status, 401);
  });

  it('has headers of its own on its data, below a path too', async () => {
    await using testbed = await openTestbed();
    const app = express();
    app.use(onbehalf({ ...optionsFor(testbed), publicBaseUrl: ['http://localhost:3000/shop'] }, {}));
    await using server = await openApp(app);
    const headers = { host: 'localhost:3000', 'x-csrf': '1' };
    const { status, headers: sent } = await server.browser().send('/shop/session', { headers });
    assert.deepEqual([status, sent.get('x-content-type-options')], [401, 'nosniff']);
  });

  it('has an API asked for a better token once, then the person', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    const claims = Buffer.from('{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').toString('base64');
    testbed.setApiResponse(({ headers }) =>
      headers.authorization === 'Bearer at-plain'
        ? { status: 401, headers: { 'www-authenticate': `Bearer error="insufficient_claims", claims="${claims}"` } }
        : { json: 'better' },
    );
    assert.equal((await app.person.send('/orders')).body, '"better"');
    testbed.broker.responses.set('/oauth2/token', (form) =>
      form.has('claims')
        ? { status: 400, json: { error: 'interaction_required', claims: form.get('claims') } }
        : undefined,
    );
    const sent = await app.person.send('/orders');
    assert.match(sent.location, /^\/sign-in\?return_to=%2Forders&claims=/);
  });

  it('knows nobody by a cookie that was changed, and asks the broker nothing', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    const [name = '', value = ''] = [...app.person.cookies].find(([each]) => each.endsWith('session')) ?? [];
    const asked = testbed.broker.requests.length;
    const tagSpoilt = value.replace(/\.(.)([^.]*)$/, (_, first, rest) => `.${first === 'A' ? 'B' : 'A'}${rest}`);
    for (const spoilt of [tagSpoilt, value.slice(0, -9), 'x']) {
      app.person.cookies.set(name, spoilt);
      assert.deepEqual(JSON.parse((await app.person.send('/open')).body), {});
    }
    assert.equal(testbed.broker.requests.length, asked);
  });

  it('knows nobody any more once the broker says that the session has ended, and no sooner', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    testbed.broker.down = true;
    const away = await app.person.send('/open');
    assert.deepEqual([away.status, away.headers.get('retry-after'), away.setCookies], [503, '2', []]);
    testbed.broker.down = false;
    testbed.broker.sessions.clear();
    assert.deepEqual(JSON.parse((await app.person.send('/open')).body), {});
    assert.equal(
      [...app.person.cookies.keys()].some((name) => name.endsWith('session')),
      false,
    );
  });

  it('changes nothing for a page of another origin', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    const change = (path: string, headers: Record<string, string>) =>
      app.person.send(path, { method: 'POST', headers });
    for (const headers of [{}, { origin: 'https://evil.test', 'x-csrf': '1' }, { 'sec-fetch-site': 'same-site' }]) {
      for (const path of ['/change', '/sign-out'])
        assert.equal((await change(path, headers as Record<string, string>)).status, 403);
    }
    assert.equal((await change('/change', { origin: publicBaseUrl })).body, '{"changed":true}');
    const nobody = await app.browser().send('/change', { method: 'POST', headers: { accept: '*/*', 'x-csrf': '1' } });
    assert.equal(nobody.status, 401);
  });

  it('calls no address outside of an API, and no API that it was not given', async () => {
    await using testbed = await openTestbed();
    await using app = await openSignedIn(testbed);
    const ask = async (api: string, path: string) =>
      JSON.parse((await app.person.send(`/fetch?${new URLSearchParams({ api, path })}`, script)).body).own;
    for (const path of ['list', '', 'https://evil.test/', '@evil.test/', '.evil.test', ':1/'])
      assert.match(await ask('orders', path), /The path must begin with \//, path);
    assert.match(await ask('invoices', '/'), /There is no API "invoices": the option apis has orders\./);
    assert.match(await ask('constructor', '/'), /There is no API/);
    assert.equal(testbed.api.requests.length, 0);
  });

  it('says what is wrong where a parser read a body before, req.session is taken or onbehalf() is missing', async () => {
    await using testbed = await openTestbed();
    await using parsed = await openSignedIn(testbed, [express.json(), express.urlencoded()]);
    const json = { 'content-type': 'application/json', 'x-csrf': '1' };
    const upload = await parsed.person.send('/api/orders/x', { method: 'POST', headers: json, body: '{}' });
    assert.equal(upload.status, 500);
    assert.equal(testbed.api.requests.length, 0, 'half a request was sent on');
    const out = await parsed.person.submit('/sign-out', { where: 'everywhere' });
    assert.equal(out.status, 303);
    assert.equal(testbed.broker.requests.at(-1)?.path, '/sessions/end', 'where is everywhere');
    await using taken = await openApp(
      expressApp(testbed, [(req, _res, next) => void next(Object.assign(req, { session: {} }) && undefined)]),
    );
    assert.equal((await taken.browser().send('/open', script)).status, 500);
    const bare = express().set('env', 'test').get('/', requireSignIn());
    await using missing = await openApp(bare);
    assert.match((await missing.browser().send('/')).body, /onbehalf\(\) comes before this/);
  });
});

describe('an app with createWeb()', () => {
  const respondBy = (web: Web) => async (request: Request) => {
    const ours = await web.handle(request, { address: '192.0.2.1' });
    if (ours) return ours;
    try {
      if (request.method === 'POST') return new Response(await request.text());
      const { user } = await web.requireSignIn(request);
      const orders = await web.fetch(request, 'orders', '/list');
      return Response.json({ user, orders: await orders.json() });
    } catch (error) {
      return await web.explain(error, request);
    }
  };

  /** Requests as a framework of Fetch makes them. */
  function openFetchApp(testbed: Testbed) {
    const web = createWeb(optionsFor(testbed), {});
    const respond = respondBy(web);
    const cookies = new Map<string, string>();
    return async (path: string, { headers, ...init }: RequestInit = {}) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const sent = { accept: 'text/html', ...(cookie && { cookie }), ...(headers as Record<string, string>) };
      const response = await respond(new Request(`${publicBaseUrl}${path}`, { ...init, headers: sent }));
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? [];
        if (value === '') cookies.delete(name);
        else cookies.set(name, value);
      }
      return response;
    };
  }

  it('signs in, calls and signs out without a server of node:http', async () => {
    await using testbed = await openTestbed();
    const ask = openFetchApp(testbed);
    const sent = await ask('/?page=2');
    assert.equal(sent.headers.get('location'), '/sign-in?return_to=%2F%3Fpage%3D2');
    const { headers } = await ask('/sign-in?return_to=%2F%3Fpage%3D2');
    const landed = await ask(`/auth/callback?${testbed.visit(headers.get('location') ?? '')}`);
    assert.deepEqual([landed.status, landed.headers.get('location')], [303, '/?page=2']);
    const { user, orders } = (await (await ask('/')).json()) as { user: { oid: string }; orders: object };
    assert.deepEqual([user.oid, orders], [alice.oid, { authorization: 'Bearer at-plain' }]);
    const out = await ask('/sign-out', {
      method: 'POST',
      headers: { origin: publicBaseUrl, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'where=here',
    });
    assert.equal(out.status, 303);
    assert.equal((await ask('/', script)).status, 401);
  });

  it('streams an upload and its response below /api, whose body no other request loses', async () => {
    await using testbed = await openTestbed();
    const ask = openFetchApp(testbed);
    const { headers } = await ask('/sign-in');
    await ask(`/auth/callback?${testbed.visit(headers.get('location') ?? '')}`);
    testbed.setApiResponse(({ body }) => ({ json: { bytes: body.length } }));
    const body = 'x'.repeat(300_000);
    const posted = await ask('/api/orders/x', { method: 'POST', headers: { 'x-csrf': '1' }, body });
    assert.deepEqual([posted.status, await posted.json()], [200, { bytes: body.length }]);
    const head = await ask('/api/orders/x', { method: 'HEAD', headers: { 'x-csrf': '1' } });
    assert.deepEqual([head.status, head.body], [200, null]);
    assert.equal(await (await ask('/own', { method: 'POST', body: 'mine' })).text(), 'mine');
  });

  it('is at home at each of its URLs, and nowhere else', async () => {
    await using testbed = await openTestbed();
    const several = ['http://localhost:3000/shop', 'http://a.localhost:3000'];
    const web = createWeb({ ...optionsFor(testbed), publicBaseUrl: several }, {});
    const ask = async (url: string) => await respondBy(web)(new Request(url, { headers: { accept: 'text/html' } }));
    for (const url of several) {
      const { pathname } = new URL(`${url}/`);
      const sent = (await ask(`${url}/`)).headers.get('location') ?? '';
      assert.equal(sent, `${pathname}sign-in?${new URLSearchParams({ return_to: pathname })}`);
      const { headers } = await ask(new URL(sent, url).href);
      const asked = new URL(headers.get('location') ?? '').searchParams;
      assert.equal(asked.get('redirect_uri'), `${url}/auth/callback`);
    }
    for (const [url, status] of [
      ['http://evil.localhost:3000/', 421],
      ['http://localhost:3000/sign-in', 404],
    ] as const)
      assert.equal((await ask(url)).status, status);
  });

  it("refuses what another origin sends, and a page of what is not there is the app's", async () => {
    await using testbed = await openTestbed();
    const ask = openFetchApp(testbed);
    const refused = await ask('/sign-out', { method: 'POST', headers: { origin: 'https://evil.test' } });
    assert.deepEqual([refused.status, refused.headers.get('x-frame-options')], [403, 'DENY']);
    assert.match(await refused.text(), /This request must come from a page of this site/);
    assert.equal((await ask('/sign-in', { method: 'DELETE' })).status, 405);
  });
});
