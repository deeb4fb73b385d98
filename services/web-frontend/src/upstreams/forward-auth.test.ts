import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serve } from '@onbehalf/chassis/http/serve';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { Browser, leadsTo, openTestbed, signIn } from '../testbed.fake.ts';
import { upstreamsSchema } from './file/upstreams-file.ts';
import { cookieOf, surroundings } from './upstream.fake.ts';

/** Of the testbed: a path alone Traefik takes for one of the service that it asks. */
const publicUrl = 'http://localhost:3000';

const entries = {
  shop: { pass: 'token', api: 'orders', identityHeaders: true },
  wiki: { pass: 'identity' },
  plain: { identityHeaders: true },
  open: { require: 'none', identityHeaders: true },
};

/** A frontend beside the path of a gateway on this host, whose public and whose other listener it asks. */
async function openGate(trustedProxies = ['loopback']) {
  const testbed = await openTestbed({ trustedProxies, upstreams: () => upstreamsSchema(surroundings).parse(entries) });
  const gate = await serve(testbed.front.verifyListener, { port: 0, host: '127.0.0.1', drainMs: 0 });
  const person = testbed.browser();
  await signIn(testbed, person);
  const asking = (signedIn: boolean, port: number) => {
    const browser = new Browser(port);
    if (signedIn) for (const [name, value] of person.cookies) browser.cookies.set(name, value);
    return browser;
  };
  return {
    ...{ testbed, person },
    /** What a gateway asks, for the person who is signed in or for nobody. */
    ask: (path: string, headers: Record<string, string> = {}, signedIn = true) =>
      asking(signedIn, gate.port).send(path, { headers }),
    askPublic: (path: string, headers: Record<string, string> = {}) =>
      asking(true, testbed.port).send(path, { headers }),
    async [Symbol.asyncDispose]() {
      await gate[Symbol.asyncDispose]();
      await testbed[Symbol.asyncDispose]();
    },
  };
}

const identityNames = ['x-auth-subject', 'x-auth-tenant', 'x-auth-name', 'x-auth-username'];

describe('/auth/verify', () => {
  it('lets a person pass with what the entry says: a token, a JWT of ours, plain headers, or nothing', async () => {
    await using gate = await openGate();
    const shop = await gate.ask('/auth/verify/shop');
    assert.deepEqual([shop.status, shop.headers.get('authorization')], [200, 'Bearer at-plain']);
    assert.equal(shop.headers.get('x-auth-subject'), 'oid-alice');
    assert.match(
      (await gate.ask('/auth/verify/wiki')).headers.get('authorization') ?? '',
      /^Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/,
    );
    assert.equal((await gate.ask('/auth/verify/plain')).headers.get('x-auth-name'), 'Alice <b>');
    const cookies = await gate.ask('/auth/verify/plain', { cookie: `theme=dark; ${cookieOf(gate.person)}` });
    assert.equal(cookies.headers.get('cookie'), 'theme=dark');
    const bare = await gate.ask('/auth/verify');
    assert.deepEqual([bare.status, bare.headers.get('authorization')], [200, '']);
  });

  it('has all headers in every 200, so that none of the client stays', async () => {
    await using gate = await openGate();
    for (const [path, signedIn] of [
      ['/auth/verify', true],
      ['/auth/verify/open', false],
    ] as const) {
      const { status, headers } = await gate.ask(
        path,
        { 'x-auth-subject': 'mallory', authorization: 'Bearer forged' },
        signedIn,
      );
      assert.equal(status, 200);
      for (const name of ['authorization', ...identityNames]) assert.equal(headers.get(name), '', name);
    }
  });

  it('sends a page’s reader of Traefik to sign in, and back to the very address', async () => {
    await using gate = await openGate();
    const told = {
      'x-forwarded-uri': '/orders?a=1&b=2',
      'x-forwarded-method': 'GET',
      'x-forwarded-host': 'evil.example',
    };
    const { status, location } = await gate.ask('/auth/verify/shop', told, false);
    assert.deepEqual([status, location], [302, `${publicUrl}/sign-in?return_to=%2Forders%3Fa%3D1%26b%3D2`]);
    const back = await signIn(gate.testbed, gate.testbed.browser(), location.slice(publicUrl.length));
    assert.equal(leadsTo(back), '/orders?a=1&b=2');
    const form = await gate.ask('/auth/verify/shop', { ...told, 'x-forwarded-method': 'POST' }, false);
    assert.equal(form.status, 401);
  });

  it('tells nginx 401 with the way to sign in beside it, since it knows no redirect', async () => {
    await using gate = await openGate();
    const page = await gate.ask('/auth/verify/shop', { 'x-original-uri': '/orders?a=1&b=2' }, false);
    assert.deepEqual(
      [page.status, page.headers.get('x-sign-in')],
      [401, '/sign-in?return_to=%2Forders%3Fa%3D1%26b%3D2'],
    );
    const ingress = await gate.ask('/auth/verify/shop', { 'x-original-url': 'https://a.example/x?y' }, false);
    assert.equal(ingress.headers.get('x-sign-in'), '/sign-in?return_to=%2Fx%3Fy');
    const script = await gate.ask('/auth/verify/shop', { 'x-original-uri': '/data', accept: '*/*' }, false);
    assert.deepEqual([script.status, script.headers.get('x-sign-in')], [401, null]);
    assert.equal(JSON.parse(script.body).sign_in, '/sign-in');
  });

  it('takes the path of Envoy and of the Gateway API from behind the name', async () => {
    await using gate = await openGate();
    assert.equal((await gate.ask('/auth/verify/shop/orders/7?a=b')).status, 200);
    const { status, location } = await gate.ask('/auth/verify/shop/orders/7?a=b', {}, false);
    assert.deepEqual([status, location], [302, `${publicUrl}/sign-in?return_to=%2Forders%2F7%3Fa%3Db`]);
  });

  it('gives no token where browsers reach it, nor to who is no proxy of ours', async () => {
    await using gate = await openGate();
    for (const path of ['/auth/verify/shop', '/auth/verify/wiki'])
      assert.equal((await gate.askPublic(path)).status, 404);
    const plain = await gate.askPublic('/auth/verify/plain');
    assert.deepEqual([plain.status, plain.headers.get('authorization')], [200, '']);
    assert.equal(plain.headers.get('x-auth-subject'), 'oid-alice');
    await using stranger = await openGate(['10.0.0.0/8']);
    for (const path of ['/auth/verify/shop', '/auth/verify/wiki']) assert.equal((await stranger.ask(path)).status, 403);
    const { location } = await stranger.ask('/auth/verify/plain', { 'x-forwarded-uri': '/orders' }, false);
    assert.equal(location, `${publicUrl}/sign-in?return_to=%2F`);
  });

  it('lets nobody pass for an entry that is not there, an ended session, an outage', async () => {
    await using gate = await openGate();
    for (const path of ['/auth/verify/nothing', '/auth/verify/SHOP', '/auth/verify/', '/auth/verifyx', '/session'])
      assert.equal((await gate.ask(path)).status, 404, path);
    gate.testbed.broker.down = true;
    const away = await gate.ask('/auth/verify/plain');
    assert.deepEqual([away.status, away.headers.get('retry-after')], [503, '2']);
    gate.testbed.broker.down = false;
    gate.testbed.broker.sessions.clear();
    gate.testbed.clock.nowMs += 10_000;
    assert.equal((await gate.ask('/auth/verify/plain', { 'x-original-uri': '/' })).status, 401);
  });

  it('leads back to an address of ours only', async () => {
    await using gate = await openGate();
    for (const evil of [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example',
      '/sign-out',
      '/auth/verify/shop',
    ]) {
      const { headers } = await gate.ask('/auth/verify/shop', { 'x-original-uri': evil }, false);
      const back = await signIn(gate.testbed, gate.testbed.browser(), headers.get('x-sign-in') ?? '');
      assert.equal(leadsTo(back), '/', evil);
    }
    assert.ok(gate.testbed.browser().cookies.get(sessionCookie) === undefined);
  });
});
