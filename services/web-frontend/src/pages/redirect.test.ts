import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { alice, type BrowserResponse, incompressible, leadsTo, openTestbed, ringOf, signIn } from '../testbed.fake.ts';

/** What nginx reads into its one buffer of 4 KB: the status line, every header, the empty line. */
const headBytes = ({ status, headers }: BrowserResponse) =>
  Buffer.byteLength(
    [`HTTP/1.1 ${status} See Other`, ...[...headers].map(([n, v]) => `${n}: ${v}`), '', ''].join('\r\n'),
  );

const person = {
  ...alice,
  login_hint: incompressible(512),
  name: '名'.repeat(160),
  preferred_username: 'ü'.repeat(160),
};

describe('the head of a redirect', () => {
  for (const length of [60, 400, 780]) {
    for (const path of [1, 400, 1_010]) {
      it(`stays under 4 KB with claims of ${length} characters, a return path of ${path}, and a key ring that has moved on`, async () => {
        await using testbed = await openTestbed();
        const browser = testbed.browser();
        await signIn(testbed, browser, '/sign-in', { claims: person });
        const claims = JSON.stringify({ access_token: { polids: { values: [incompressible(length - 40)] } } });
        testbed.broker.responses.set('/oauth2/token', (form) =>
          form.has('code') ? undefined : { status: 400, json: { error: 'interaction_required', claims } },
        );
        testbed.keys.ring = ringOf('b', 'a');
        const responses: (BrowserResponse & { completes: boolean })[] = [];
        const send = async (url: string) => {
          const response = await browser.send(url);
          responses.push({ ...response, completes: url.startsWith('/auth/callback') });
          return leadsTo(response);
        };
        const more = new URLSearchParams({ return_to: `/${incompressible(path)}` });
        more.set('login_hint', incompressible(320));
        for (let tab = 0; tab < 6; tab += 1) await send(`/sign-in?${more}`);
        const link = await send('/whoami');
        assert.match(link, /^\/sign-in\?return_to=%2Fwhoami&claims=[\w-]{18}$/);
        const authorize = await send(link);
        assert.equal(new URL(authorize).searchParams.get('claims'), claims);
        assert.equal(await send(`/auth/callback?${testbed.visit(authorize, { claims: person })}`), '/whoami');
        testbed.keys.ring = ringOf('c', 'b');
        const { sign_in } = JSON.parse((await browser.script('/api/orders/x')).body);
        const byScript = await send(`${sign_in}&${more}`);
        assert.equal(new URL(byScript).searchParams.get('claims'), claims);
        const back = await send(`/auth/callback?${testbed.visit(byScript, { claims: person })}`);
        assert.ok(back === '/' || back === more.get('return_to'));
        for (const response of responses) {
          assert.ok(headBytes(response) < 4_096, `${response.location.slice(0, 60)}: ${headBytes(response)}`);
          const session = response.setCookies.some((line) => line.startsWith(`${sessionCookie}=`));
          assert.equal(session, response.completes, response.location);
        }
        const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        assert.ok(`cookie: ${cookie}\r\n`.length < 4_096, `cookies: ${cookie.length}`);
      });
    }
  }

  it('makes room for the session of who signs in, beside other tabs', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const tabs: string[] = [];
    for (let tab = 0; tab < 4; tab += 1) {
      testbed.clock.nowMs += 1;
      tabs.push(leadsTo(await browser.send(`/sign-in?return_to=/${incompressible(470)}`)));
    }
    const cookies = () => [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ').length;
    assert.ok(cookies() > 3_400, `${cookies()}: the tabs are too small to be in the way`);
    await browser.send(`/auth/callback?${testbed.visit(String(tabs.at(-1)), { claims: person })}`);
    assert.ok(browser.cookies.has(sessionCookie));
    assert.ok(cookies() < 4_000, `${cookies()}`);
  });

  it('that has no room for its address is that of a page, which leads on', async () => {
    await using testbed = await openTestbed();
    const hint = incompressible(320).replaceAll(/./g, 'ü');
    const query = new URLSearchParams({
      return_to: `/${incompressible(1_000)}`,
      login_hint: hint,
      domain_hint: hint.slice(65),
    });
    const response = await testbed.browser().send(`/sign-in?${query}`);
    assert.deepEqual([response.status, response.location], [200, '']);
    assert.equal(new URL(leadsTo(response)).searchParams.get('login_hint'), hint);
    assert.ok(headBytes(response) < 4_096, String(headBytes(response)));
    assert.doesNotMatch(response.body, /<script/);
  });
});
