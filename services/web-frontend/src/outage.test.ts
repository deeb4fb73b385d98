import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { type Browser, openTestbed, signIn, type Testbed } from './testbed.fake.ts';

type Case = { what: string; path: string; script?: boolean; break: (testbed: Testbed) => void; retryAfter: string };

const brokerDown = (testbed: Testbed) => {
  testbed.broker.down = true;
};
const answering = (path: string, status: number, retryAfter?: string) => (testbed: Testbed) => {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  testbed.broker.responses.set(path, () => ({ status, headers, json: { error: 'temporarily_unavailable' } }));
};

/** What an outage does, as web-frontend meets it: docs/architecture.md. */
const cases: Case[] = [
  { what: 'home, broker down', path: '/', break: brokerDown, retryAfter: '2' },
  { what: 'profile, broker down', path: '/profile', break: brokerDown, retryAfter: '2' },
  { what: 'session, broker down', path: '/session', script: true, break: brokerDown, retryAfter: '2' },
  { what: 'a call, broker down', path: '/whoami', break: brokerDown, retryAfter: '2' },
  { what: 'a proxied call, broker down', path: '/api/orders/x', script: true, break: brokerDown, retryAfter: '2' },
  {
    what: 'Redis down behind introspection',
    path: '/',
    break: answering('/oauth2/introspect', 503, '2'),
    retryAfter: '2',
  },
  {
    what: 'Entra down behind a token',
    path: '/whoami',
    break: answering('/oauth2/token', 503, '20'),
    retryAfter: '20',
  },
  {
    what: 'a script, Entra down',
    path: '/api/orders/x',
    script: true,
    break: answering('/oauth2/token', 503),
    retryAfter: '2',
  },
];

async function unharmed(testbed: Testbed, browser: Browser, before: string | undefined): Promise<void> {
  assert.equal(browser.cookies.get(sessionCookie), before, 'the cookie is kept');
  assert.equal((await testbed.browser().send('/')).status, 200, 'anonymous pages go on');
}

describe('an outage', () => {
  for (const { what, path, script, break: breakIt, retryAfter } of cases) {
    it(`is 503 with Retry-After in under a second, the cookie kept: ${what}`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const before = browser.cookies.get(sessionCookie);
      breakIt(testbed);
      const startedAtMs = performance.now();
      const response = await (script ? browser.script(path) : browser.send(path));
      assert.ok(performance.now() - startedAtMs < 1_000);
      assert.deepEqual(
        [response.status, response.headers.get('retry-after'), response.setCookies],
        [503, retryAfter, []],
      );
      if (script) {
        const { error, retry_after } = JSON.parse(response.body);
        assert.deepEqual([error, retry_after], ['temporarily_unavailable', Number(retryAfter)]);
      } else {
        assert.match(response.body, /<h1>Sign-in service is unavailable<\/h1>/);
        assert.match(response.body, /Reference <span id="reference">[0-9a-f]{32}/);
      }
      await unharmed(testbed, browser, before);
    });
  }

  it('shows which service is away, once, with a way to ask again', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.api.down = true;
    const { status, body } = await browser.send('/whoami');
    assert.equal(status, 503);
    assert.match(body, /<h1>The service behind this page cannot be reached<\/h1>/);
    assert.doesNotMatch(body, /[Ss]ign-in service/);
    assert.match(body, /<a class="button" href="">Try again<\/a>/);
  });

  it('passes throttling on as 429 with the rest of its window', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    answering('/oauth2/token', 429, '30')(testbed);
    const { status, headers, setCookies } = await browser.send('/whoami');
    assert.deepEqual([status, headers.get('retry-after'), setCookies], [429, '30', []]);
  });

  it('is a plain 500 when the broker does not know us, and the cookie stays', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const error of ['invalid_client', 'unauthorized_client', 'invalid_scope', 'server_error']) {
      testbed.broker.responses.set('/oauth2/token', () => ({
        status: error === 'server_error' ? 500 : 401,
        json: { error },
      }));
      const { status, body, setCookies } = await browser.send('/whoami');
      assert.deepEqual([status, setCookies], [500, []]);
      assert.match(body, /Something went wrong on our side/);
      assert.doesNotMatch(body, new RegExp(error));
    }
  });

  it('refuses sign-in while Entra was never reached, and heals', async () => {
    await using testbed = await openTestbed();
    testbed.entra.down = true;
    testbed.clock.nowMs += 2 * 3_600_000;
    // What was discovered serves on; only a fresh pod has nothing.
    await testbed.browser().send('/sign-in');
    await using fresh = await openTestbed({ coldStart: true });
    const down = await fresh.browser().send('/sign-in');
    assert.deepEqual([down.status, down.headers.get('retry-after'), down.setCookies], [503, '5', []]);
    fresh.entra.down = false;
    fresh.clock.nowMs += 1_500;
    assert.equal((await fresh.browser().send('/sign-in')).status, 303);
  });

  it('opens the breaker after three calls without a response: the rest do not wait, and one a second looks', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.down = true;
    for (let call = 0; call < 3; call += 1) await browser.script('/session');
    const sent = testbed.broker.connections;
    for (let call = 0; call < 5; call += 1) assert.equal((await browser.script('/session')).status, 503);
    assert.equal(testbed.broker.connections, sent, 'nothing is sent while it is open');
    testbed.broker.down = false;
    assert.equal((await browser.script('/session')).status, 503);
    testbed.clock.nowMs += 1_100;
    assert.equal((await browser.script('/session')).status, 200);
    assert.equal((await browser.script('/session')).status, 200);
  });

  it('waits two seconds, not for ever, for a broker that hangs', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.hangs = true;
    const startedAtMs = performance.now();
    assert.equal((await browser.script('/session')).status, 503);
    assert.ok(performance.now() - startedAtMs < 3_000);
  });
});
