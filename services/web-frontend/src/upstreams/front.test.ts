import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { leadsTo, openTestbed, publicBaseUrl, signIn, type Testbed } from '../testbed.fake.ts';
import { upstreamsSchema } from './file/upstreams-file.ts';

/** A testbed before one upstream, with these settings, at `/`. */
function openFront(settings: object = {}, more: Record<string, object> = {}) {
  const own = { hosts: [], ports: [] };
  const host = new URL(publicBaseUrl).host;
  return openTestbed({
    upstreams: (url, apis) =>
      upstreamsSchema({ publicHosts: [host], own, brokerUrl: 'http://broker', apis }).parse({
        app: { url, ...settings },
        ...Object.fromEntries(Object.entries(more).map(([name, each]) => [name, { url, ...each }])),
      }),
  });
}

/** What the upstream was sent last. */
const last = ({ api }: Testbed) => api.requests.at(-1);

describe('an app behind the frontend', () => {
  it('sends a page without a session to sign in and back to the very address', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    const first = await browser.send('/orders/7?sort=up&x=%2F');
    assert.deepEqual([first.status, first.location], [303, '/sign-in?return_to=%2Forders%2F7%3Fsort%3Dup%26x%3D%252F']);
    const callback = await signIn(testbed, browser, first.location);
    assert.equal(leadsTo(callback), '/orders/7?sort=up&x=%2F');
    assert.equal(testbed.api.requests.length, 0);
    assert.equal((await browser.send('/orders/7?sort=up&x=%2F')).status, 200);
    assert.equal(last(testbed)?.path, '/orders/7?sort=up&x=%2F');
  });

  it('has 401 with the address of the sign-in for a script, and a page for a form', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    const script = await browser.send('/data', { headers: { 'sec-fetch-dest': 'empty' } });
    assert.equal(script.status, 401);
    const { error, sign_in } = JSON.parse(script.body);
    assert.deepEqual([error, sign_in], ['login_required', '/sign-in']);
    const form = await browser.send('/data', { method: 'POST', headers: { 'sec-fetch-dest': 'document' } });
    assert.equal(form.status, 401);
    assert.match(form.body, /You have to sign in for this/);
    assert.equal(testbed.api.requests.length, 0);
  });

  it('gets an access token of the named API, and the browser none', async () => {
    await using testbed = await openFront({ pass: 'token', api: 'orders' });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const page = await browser.send('/', { headers: { authorization: 'Bearer forged' } });
    assert.equal(last(testbed)?.headers.authorization, 'Bearer at-plain');
    assert.ok(!JSON.stringify([...page.headers]).includes('at-plain'));
  });

  it('gets a JWT that our keys verify, and plain headers where it asks for them', async () => {
    await using testbed = await openFront({ pass: 'identity', identityHeaders: true });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    await browser.send('/', { headers: { 'x-auth-subject': 'mallory', x_auth_name: 'Mallory' } });
    const headers = last(testbed)?.headers ?? {};
    const jwks = JSON.parse((await browser.send('/auth/jwks.json')).body) as JSONWebKeySet;
    const [, token = ''] = headers.authorization?.split(' ') ?? [];
    const options = { issuer: publicBaseUrl, audience: 'app', currentDate: new Date(testbed.clock.nowMs) };
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), options);
    assert.deepEqual([payload.sub, payload.oid, payload.name], ['oid-alice', 'oid-alice', 'Alice <b>']);
    assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 120);
    assert.equal(headers['x-auth-subject'], 'oid-alice');
    assert.equal(headers.x_auth_name, undefined);
    assert.ok(!JSON.stringify(jwks).includes('"d"'));
  });

  it('never sees our cookies, and cannot set one of ours', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const session = browser.cookies.get(sessionCookie);
    browser.cookies.set('theme', 'dark');
    const evil = `${sessionCookie}=evil; Path=/; Secure; HttpOnly; Domain=example.com`;
    testbed.setApiResponse(() => ({ headers: { 'set-cookie': evil } }));
    await browser.send('/');
    assert.equal(last(testbed)?.headers.cookie, 'theme=dark');
    assert.equal(browser.cookies.get(sessionCookie), session);
    await browser.send('/');
    assert.equal(last(testbed)?.headers.cookie, `theme=dark; ${sessionCookie}=evil`);
  });

  it('is away for a while: 503 with the wait, a page for people, and the session stays', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.api.down = true;
    const page = await browser.send('/');
    assert.deepEqual([page.status, page.headers.get('retry-after')], [503, '2']);
    assert.match(page.body, /cannot be reached/);
    const script = await browser.script('/');
    assert.deepEqual([script.status, JSON.parse(script.body).retry_after], [503, 2]);
    testbed.api.down = false;
    assert.equal((await browser.send('/')).status, 200);
  });

  it('is a folder whose forms lead here, and to where the sign-out of Entra ID is', async () => {
    const folder = resolve('examples/spa');
    await using testbed = await openFront({}, { site: { folder, url: undefined, path: '/site', require: 'none' } });
    const { status, headers } = await testbed.browser().send('/site/');
    assert.equal(status, 200);
    const policy = headers.get('content-security-policy') ?? '';
    assert.ok(policy.includes(`form-action 'self' ${testbed.entra.origin};`), policy);
  });

  it('loses a person at once who signs out here, whatever the browser sends', async () => {
    await using testbed = await openFront();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    assert.equal((await browser.send('/')).status, 200);
    const kept = browser.cookies.get(sessionCookie) ?? '';
    await browser.submit('/sign-out');
    browser.cookies.set(sessionCookie, kept);
    assert.equal((await browser.script('/')).status, 401);
  });
});
