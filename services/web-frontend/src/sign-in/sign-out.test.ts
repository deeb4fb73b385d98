import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import {
  alice,
  type Browser,
  type BrowserResponse,
  openTestbed,
  publicBaseUrl,
  signIn,
  type Testbed,
} from '../testbed.fake.ts';

/** How often the broker was asked to end something. */
const ends = ({ broker }: Testbed) => broker.requests.filter(({ path }) => path === '/sessions/end').length;

/** The way back from Entra, in either response mode. */
function returnTo(testbed: Testbed, browser: Browser, location: string): Promise<BrowserResponse> {
  const response = testbed.visit(location);
  if (new URL(location).searchParams.get('response_mode') !== 'form_post')
    return browser.send(`/auth/callback?${response}`);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: testbed.entra.origin };
  return browser.send('/auth/callback', { method: 'POST', headers, body: response.toString() });
}

async function signInBy(testbed: Testbed, browser: Browser): Promise<void> {
  await returnTo(testbed, browser, (await browser.send('/sign-in')).location);
}

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
    assert.match(testbed.logs(), /"event":"session\.ended","reason":"sign_out","where":"everywhere","ended":2/);
  });

  it('everywhere ends nothing when the session here has ended already, says so, and offers to sign in for it', async () => {
    await using testbed = await openTestbed();
    const [browser, other] = [testbed.browser(), testbed.browser()];
    await signIn(testbed, browser);
    const [idle = ''] = testbed.broker.sessions.keys();
    await signIn(testbed, other);
    testbed.broker.sessions.delete(idle);
    const { status, location } = await browser.submit('/sign-out', { where: 'everywhere' });
    assert.deepEqual([status, new URL(location).origin], [303, testbed.entra.origin]);
    assert.equal(browser.cookies.has(sessionCookie), false);
    assert.equal((await other.script('/session')).status, 200);
    const { body } = await browser.send('/');
    assert.match(
      body,
      /role="status">Your session in this browser had already ended, so nothing was ended on your other/,
    );
    assert.doesNotMatch(body, /You are signed out/);
    assert.match(body, /<form [^>]*action="\/sign-out"><button [^>]*name="where" value="everywhere_after_sign_in">/);
    assert.doesNotMatch(testbed.logs(), /session\.ended|end_confirmed/);
  });

  for (const options of [{}, { sameSite: 'strict' }, { responseMode: 'form_post' }] as const) {
    it(`everywhere after signing in is one click: ${JSON.stringify(options)}`, async () => {
      await using testbed = await openTestbed(options);
      const [browser, other] = [testbed.browser(), testbed.browser()];
      await signInBy(testbed, other);
      const { status, location } = await browser.submit('/sign-out', { where: 'everywhere_after_sign_in' });
      assert.equal(status, 303);
      const asked = new URL(location);
      assert.deepEqual([asked.pathname, asked.searchParams.get('prompt')], ['/authorize', 'select_account']);
      assert.equal(testbed.broker.sessions.size, 1, 'nothing has ended yet');
      const back = await returnTo(testbed, browser, location);
      assert.deepEqual([back.status, new URL(back.location).pathname], [303, '/logout']);
      assert.equal(new URL(back.location).searchParams.get('logout_hint'), alice.login_hint);
      assert.equal(testbed.broker.sessions.size, 0);
      assert.equal(browser.cookies.has(sessionCookie), false);
      assert.equal((await other.script('/session')).status, 401);
      assert.match((await browser.send('/')).body, /signed out on all your devices/);
    });
  }

  it('everywhere after signing in takes along the session of somebody else that was here', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser, '/sign-in', { claims: { ...alice, oid: 'oid-bob', sid: 'sid-bob' } });
    const { location } = await browser.submit('/sign-out', { where: 'everywhere_after_sign_in' });
    await returnTo(testbed, browser, location);
    assert.equal(testbed.broker.sessions.size, 0);
  });

  it('everywhere after signing in is begun by no link', async () => {
    await using testbed = await openTestbed();
    const [browser, other] = [testbed.browser(), testbed.browser()];
    await signIn(testbed, other);
    const links = ['where=everywhere_after_sign_in', 'signOut=everywhere', 'sign_out=everywhere', 'then=everywhere'];
    for (const link of links) {
      const { location } = await signIn(testbed, browser, `/sign-in?${link}&return_to=/sign-out%3F${link}`);
      assert.doesNotMatch(location, /logout/);
      assert.ok(browser.cookies.has(sessionCookie));
    }
    const foreign = { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' };
    const body = 'where=everywhere_after_sign_in';
    const forged = await browser.send('/sign-out', { method: 'POST', headers: foreign, body });
    assert.deepEqual([forged.status, forged.setCookies], [403, []]);
    assert.equal((await browser.send(`/sign-out?${body}`)).status, 405);
    assert.equal((await other.script('/session')).status, 200);
  });

  it('everywhere after signing in is limited as signing in is', async () => {
    await using testbed = await openTestbed({ publicRate: { perSecond: 1, burst: 1 } });
    const browser = testbed.browser();
    const statuses = [];
    for (let i = 0; i < 2; i += 1)
      statuses.push((await browser.submit('/sign-out', { where: 'everywhere_after_sign_in' })).status);
    assert.deepEqual(statuses, [303, 429]);
  });

  const truths: [what: string, where: string, has: 'no session' | 'an ended one', says: RegExp, script: object][] = [
    ['no session', 'here', 'no session', /This browser had no session/, { confirmed: false, already_ended: false }],
    ['no session', 'everywhere', 'no session', /nothing was ended on/, { confirmed: false, already_ended: false }],
    ['an ended one', 'here', 'an ended one', /signed out already/, { confirmed: true, already_ended: true }],
    ['an ended one', 'everywhere', 'an ended one', /nothing was ended on/, { confirmed: false, already_ended: true }],
  ];
  for (const [what, where, has, says, script] of truths) {
    it(`${where} of a browser with ${what} claims no end, to a person, a script or the log`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const cookie = browser.cookies.get(sessionCookie) ?? '';
      testbed.broker.sessions.clear();
      if (has === 'no session') browser.cookies.delete(sessionCookie);
      await browser.submit('/sign-out', { where });
      assert.match((await browser.send('/')).body, says);
      if (has === 'an ended one') browser.cookies.set(sessionCookie, cookie);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const { body } = await browser.script('/sign-out', { method: 'POST', headers, body: `where=${where}` });
      const { end_session: _, ...rest } = JSON.parse(body);
      assert.deepEqual(rest, { signed_out: true, ended: 0, ...script });
      assert.doesNotMatch(testbed.logs(), /session\.ended|end_confirmed/);
    });
  }

  it('tells a script where to go', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const body = JSON.parse((await browser.script('/sign-out', { method: 'POST' })).body);
    assert.deepEqual([body.signed_out, body.confirmed, body.ended, body.already_ended], [true, true, 1, false]);
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
    await until(() => testbed.logs().includes('session.end_confirmed'));
    assert.equal(testbed.broker.sessions.size, 0);
    assert.doesNotMatch(testbed.logs(), /session\.ended/, 'it ended when it was confirmed');
  });

  it('everywhere that is unconfirmed is called done only when a retry sees an end', async () => {
    for (const seen of [true, false]) {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      testbed.broker.down = true;
      await browser.submit('/sign-out', { where: 'everywhere' });
      assert.match((await browser.send('/')).body, /on all devices is not confirmed yet.*\n.*everywhere_after_sign_in/);
      testbed.broker.down = false;
      if (!seen) testbed.broker.sessions.clear();
      testbed.pauses.shift()?.();
      await until(() => /session\.end_(confirmed|not_seen)/.test(testbed.logs()));
      assert.equal(testbed.logs().includes('session.end_confirmed'), seen);
    }
  });

  it('of a script that is unconfirmed tells no number', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.down = true;
    const { end_session: _, ...rest } = JSON.parse((await browser.script('/sign-out', { method: 'POST' })).body);
    assert.deepEqual(rest, { signed_out: true, confirmed: false, already_ended: false });
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
    assert.match(testbed.logs(), /"level":"error",[^\n]*"kind":"here","reason":"expired"/);
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
    const unknown = await send({ sid: 'unknown' });
    assert.deepEqual([unknown.status, unknown.body], [200, 'nothing to sign out\n']);
    assert.doesNotMatch(testbed.logs(), /session\.ended/);
    assert.equal((await send({ sid: alice.sid, iss: 'https://evil.example' })).status, 400);
    assert.equal((await send({ iss: testbed.entra.issuer() })).status, 400);
    assert.equal((await send({ sid: '' })).status, 400);
    assert.equal(testbed.broker.sessions.size, 1);
    const sent = await send({ sid: alice.sid, iss: testbed.entra.issuer() });
    assert.deepEqual([sent.status, sent.body], [200, 'signed out\n']);
    assert.equal(testbed.broker.sessions.size, 0);
    assert.match(testbed.logs(), /"event":"session\.ended","reason":"front_channel","ended":1/);
  });

  it('is tried again after an outage until it has ended what the sid carries', async () => {
    await using testbed = await openTestbed();
    await signIn(testbed, testbed.browser());
    testbed.broker.down = true;
    for (let i = 0; i < 3; i += 1)
      assert.equal((await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`)).status, 503);
    testbed.pauses.shift()?.();
    await until(() => testbed.pauses.length > 0);
    testbed.broker.down = false;
    // The breaker lets one call a second through.
    testbed.clock.nowMs += 1_001;
    const before = ends(testbed);
    testbed.pauses.shift()?.();
    await until(() => testbed.logs().includes('session.end_confirmed'));
    assert.equal(testbed.broker.sessions.size, 0);
    assert.equal(ends(testbed) - before, 1, 'one sid is one retry, however often it is sent');
    assert.equal(testbed.logs().split('session.end_retrying').length - 1, 1, 'what a killed pod loses is in its log');
  });

  it('that nobody could do for a minute is a warning with its reason', async () => {
    await using testbed = await openTestbed();
    testbed.broker.down = true;
    await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`);
    testbed.clock.nowMs += 61_000;
    testbed.pauses.shift()?.();
    await until(() => testbed.logs().includes('session.end_unconfirmed'));
    assert.match(testbed.logs(), /"level":"warn",[^\n]*"kind":"front_channel","reason":"expired"/);
    assert.doesNotMatch(testbed.logs(), new RegExp(alice.sid));
  });

  it('that waits when the process ends is tried once more, and what fails then is a warning', async () => {
    for (const down of [false, true]) {
      await using testbed = await openTestbed();
      await signIn(testbed, testbed.browser());
      testbed.broker.down = true;
      await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`);
      testbed.broker.down = down;
      // The breaker lets one call a second through.
      testbed.clock.nowMs += 1_001;
      await testbed.revocation[Symbol.asyncDispose]();
      assert.equal(testbed.broker.sessions.size, down ? 1 : 0);
      assert.equal(/"kind":"front_channel","reason":"shutdown"/.test(testbed.logs()), down);
    }
  });

  it('that finds no room in an outage is refused, and leaves room for others', async () => {
    await using testbed = await openTestbed({ trustedProxies: ['loopback'] });
    testbed.broker.down = true;
    const send = (sid: string, from: string) =>
      testbed.browser().send(`/auth/front-channel-logout?sid=${sid}`, { headers: { 'x-forwarded-for': from } });
    const flood = Array.from({ length: 1_003 }, (_, i) => () => send(`made-up-${i}`, `203.0.113.9:${i}`));
    const bodies: string[] = [];
    for (let i = 0; i < flood.length; i += 17)
      bodies.push(...(await Promise.all(flood.slice(i, i + 17).map((one) => one()))).map(({ body }) => body));
    assert.equal(bodies.filter((body) => body.includes('it has to be sent again')).length, 3);
    assert.equal(testbed.logs().split('"kind":"front_channel","reason":"full"').length - 1, 1);
    const other = await send('other', '198.51.100.1');
    assert.deepEqual([other.status, other.body.includes('tried again for a minute')], [503, true]);
  });

  it('is refused by no rate: what exceeds it is done within seconds, each sid once', async () => {
    await using testbed = await openTestbed({ publicRate: { perSecond: 1, burst: 3 } });
    await signIn(testbed, testbed.browser());
    const statuses: number[] = [];
    for (let i = 0; i < 40; i += 1)
      statuses.push((await testbed.browser().send(`/auth/front-channel-logout?sid=unknown${i % 10}`)).status);
    statuses.push((await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`)).status);
    assert.deepEqual([...new Set(statuses)].sort(), [200, 202]);
    assert.ok(ends(testbed) <= 2, `${ends(testbed)} calls`);
    testbed.pauses.shift()?.();
    await until(() => testbed.broker.sessions.size === 0);
    assert.ok(ends(testbed) <= 13, `${ends(testbed)} calls`);
  });

  it('responds with 503 while the broker is away', async () => {
    await using testbed = await openTestbed();
    testbed.broker.down = true;
    const { status, headers, body } = await testbed.browser().send(`/auth/front-channel-logout?sid=${alice.sid}`);
    assert.equal(status, 503);
    assert.equal(JSON.parse(body).error, 'temporarily_unavailable');
    assert.match(headers.get('content-security-policy') ?? '', new RegExp(`frame-ancestors ${testbed.entra.origin}$`));
  });
});
