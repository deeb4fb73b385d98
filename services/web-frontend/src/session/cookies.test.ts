import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { cookiesOf } from '@onbehalf/node/web/session/cookies';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { alice, openTestbed, signIn, type Testbed } from '../testbed.fake.ts';

/** What trimmers of many languages take away, and browsers keep in a name that a sibling domain may set. */
const lookalikes = [
  ...['\u00a0', '\u000b', '\u000c', '\u0085', '\u001c', '\u001f', '\u00ad', '\u00c2\u00a0', '\u00e2\u0080\u0080'],
  ...['\u00e2\u0080\u0083', '\u00e3\u0080\u0080', '\u00ef\u00bb\u00bf', '"', "'", ',', '/', '+', '%20', '.'],
].flatMap((mark) => [mark + sessionCookie, sessionCookie + mark, ` ${mark} ${sessionCookie}`]);

const otherLetters = [sessionCookie.toLowerCase(), sessionCookie.toUpperCase(), sessionCookie.replace('_', '%5F')];

/** What `/session` says to a Cookie header of these very bytes, latin1. */
async function ask(testbed: Testbed, ...cookies: string[]): Promise<{ status: number; body: string }> {
  const socket = connect(testbed.port, '127.0.0.1');
  const lines = ['GET /session HTTP/1.1', 'Host: x', 'X-CSRF: 1', 'Connection: close'];
  socket.write(Buffer.from([...lines, ...cookies.map((one) => `Cookie: ${one}`), '', ''].join('\r\n'), 'latin1'));
  const response = await text(socket);
  return { status: Number(response.split(' ')[1]), body: response };
}

async function twoPeople() {
  const testbed = await openTestbed();
  const [own, tossed] = [testbed.browser(), testbed.browser()];
  await signIn(testbed, own);
  await signIn(testbed, tossed, '/sign-in', { claims: { ...alice, oid: 'oid-mallory', name: 'Mallory' } });
  const of = (browser: typeof own) => String(browser.cookies.get(sessionCookie));
  return { testbed, own: of(own), tossed: of(tossed), [Symbol.asyncDispose]: () => testbed[Symbol.asyncDispose]() };
}

describe('cookies', () => {
  it('lose spaces and tabs around name and value, and the first of a name counts', () => {
    const cookies = cookiesOf({ headers: { cookie: ' a \t=\t 1 ;b=2=3;a=4; =5;c;d=' } });
    assert.deepEqual(
      [...cookies],
      [
        ['a', '1'],
        ['b', '2=3'],
        ['d', ''],
      ],
    );
  });

  it('that only look like ours sign nobody in', async () => {
    await using at = await twoPeople();
    for (const name of [...lookalikes, ...otherLetters]) {
      const alone = await ask(at.testbed, `${name}=${at.tossed}`);
      // Node itself refuses the whole request for some control characters.
      assert.ok([400, 401].includes(alone.status), `${JSON.stringify(name)}: ${alone.status}`);
      for (const cookie of [
        `${name}=${at.tossed}; ${sessionCookie}=${at.own}`,
        `${sessionCookie}=${at.own}; ${name}=x`,
      ]) {
        const both = await ask(at.testbed, cookie);
        if (both.status !== 400) assert.match(both.body, /"oid":"oid-alice"/, JSON.stringify(cookie.slice(0, 40)));
      }
    }
  });

  it('of ours that come twice are refused, whichever comes first, on every route', async () => {
    await using at = await twoPeople();
    const [own, tossed] = [`${sessionCookie}=${at.own}`, `${sessionCookie}=${at.tossed}`];
    const login = '__Host-Http-login-a';
    const doubled = [
      [`${tossed}; ${own}`],
      [`${own}; ${tossed}`],
      [`${own}; ${own}`],
      [tossed, own],
      [`${tossed};\t ${sessionCookie} \t= ${at.own}`],
      [`${sessionCookie}=; ${own}`],
      [`${own}; ${login}=a; ${login}=b`],
    ];
    for (const cookies of doubled) {
      const { status, body } = await ask(at.testbed, ...cookies);
      assert.equal(status, 400, cookies[0]?.slice(0, 30));
      assert.match(body, /"error":"invalid_request"/);
      assert.doesNotMatch(body, /set-cookie/i, 'the cookies stay: bad input changes nothing');
    }
    assert.equal((await ask(at.testbed, `${own}; theme=a; theme=b`)).status, 200, "others' may come twice");
    const headers = { cookie: `${own}; ${tossed}` };
    for (const path of [
      '/',
      '/profile',
      '/whoami',
      '/sign-in',
      '/auth/callback?state=a',
      '/api/orders/x',
      '/nothing',
    ]) {
      const { status, setCookies } = await at.testbed.browser().send(path, { headers });
      assert.deepEqual([status, setCookies], [400, []], path);
    }
    assert.equal(at.testbed.api.requests.length, 0);
  });
});
