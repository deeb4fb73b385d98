import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sessionCookie } from './session.ts';
import { alice, openTestbed, publicBaseUrl, signIn } from './testbed.fake.ts';

/** Waits until a condition holds. */
async function until(holds: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 5_000; !holds() && Date.now() < endMs; ) await delay(5);
  assert.ok(holds());
}

describe('sign-out', () => {
  it('ends the session at the broker, in the browser and at Entra, and says so once', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const stolen = browser.cookies.get(sessionCookie) ?? '';
    const { status, location } = await browser.submit('/sign-out', { where: 'here' });
    assert.equal(status, 303);
    const url = new URL(location);
    assert.equal(url.origin + url.pathname, `${testbed.entra.origin}/logout`);
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      post_logout_redirect_uri: `${publicBaseUrl}/`,
      logout_hint: alice.login_hint,
    });
    assert.equal(testbed.broker.sessions.size, 0);
    assert.equal(browser.cookies.has(sessionCookie), false);
    assert.match((await browser.send('/')).body, /role="status">You are signed out\./);
    assert.doesNotMatch((await browser.send('/')).body, /role="status"/);

    browser.cookies.set(sessionCookie, stolen);
    assert.equal((await browser.script('/session')).status, 401);
    assert.doesNotMatch((await browser.send('/')).body, /Alice/);
  });

  it('ends every session of the account when asked', async () => {
    await using testbed = await openTestbed();
    const [browser, other] = [testbed.browser(), testbed.browser()];
    await signIn(testbed, browser);
    await signIn(testbed, other);
    await browser.submit('/sign-out', { where: 'everywhere' });
    assert.equal(testbed.broker.sessions.size, 0);
    assert.equal((await other.script('/session')).status, 401);
    assert.match((await browser.send('/')).body, /signed out on all your devices/);
  });

  it('answers a script with where to go', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const body = JSON.parse((await browser.script('/sign-out', { method: 'POST' })).body);
    assert.deepEqual([body.signed_out, body.confirmed], [true, true]);
    assert.equal(new URL(body.end_session).origin, testbed.entra.origin);
  });

  it('goes on without the broker, says so, and confirms when it is back', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.down = true;
    const { status, location } = await browser.submit('/sign-out');
    assert.equal(status, 303);
    assert.equal(new URL(location).origin, testbed.entra.origin);
    assert.equal(browser.cookies.has(sessionCookie), false);
    assert.match((await browser.send('/')).body, /not confirmed yet/);
    testbed.pauses.shift()?.();
    await until(() => testbed.pauses.length > 0);
    assert.equal(testbed.broker.sessions.size, 1);
    testbed.broker.down = false;
    testbed.pauses.shift()?.();
    await until(() => testbed.broker.sessions.size === 0);
  });

  it('gives up after a minute, loudly', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.down = true;
    await browser.submit('/sign-out');
    testbed.clock.nowMs += 61_000;
    testbed.pauses.shift()?.();
    await until(() => testbed.logs().includes('session.end_unconfirmed'));
  });

  it('works while Entra was never reached', async () => {
    await using testbed = await openTestbed();
    testbed.entra.down = true;
    const { status, location } = await testbed.browser().submit('/sign-out');
    assert.equal(status, 303);
    assert.match(location, /\/logout\?/);
  });
});

describe('front-channel logout', () => {
  it('ends the sessions of a sid, without a cookie and in a frame of Entra', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const { status, headers } = await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`);
    assert.equal(status, 200);
    assert.equal(headers.get('x-frame-options'), null);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match(headers.get('content-security-policy') ?? '', new RegExp(`frame-ancestors ${testbed.entra.origin}$`));
    assert.equal((await browser.script('/session')).status, 401);
  });

  it('takes the right iss, refuses a wrong one, and does nothing for an unknown sid', async () => {
    await using testbed = await openTestbed();
    await signIn(testbed, testbed.browser());
    const send = (query: Record<string, string>) =>
      testbed.browser().send(`/auth/front-channel-logout?${new URLSearchParams(query)}`);
    assert.equal((await send({ sid: 'unknown' })).status, 200);
    assert.equal((await send({ sid: alice.sid, iss: 'https://evil.example' })).status, 400);
    assert.equal((await send({ iss: testbed.entra.issuer() })).status, 400);
    assert.equal((await send({ sid: '' })).status, 400);
    assert.equal(testbed.broker.sessions.size, 1);
    assert.equal((await send({ sid: alice.sid, iss: testbed.entra.issuer() })).status, 200);
    assert.equal(testbed.broker.sessions.size, 0);
  });

  it('answers 503 while the broker is away', async () => {
    await using testbed = await openTestbed();
    testbed.broker.down = true;
    const { status, headers, body } = await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`);
    assert.equal(status, 503);
    assert.equal(JSON.parse(body).error, 'temporarily_unavailable');
    assert.match(headers.get('content-security-policy') ?? '', new RegExp(`frame-ancestors ${testbed.entra.origin}$`));
  });
});
