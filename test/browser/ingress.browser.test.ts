import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { openIngressNginx } from '../kit/nginx.ts';
import { accept, answerOn, pick, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { type Answer, Visitor } from '../kit/visitor.ts';

/** What a proxy with one buffer of 4 KB for a head takes, and far below what it takes of a request. */
const limit = 4_096;

let system: System;
let nginx: Awaited<ReturnType<typeof openIngressNginx>>;
before(async () => {
  system = await openSystem({ frontend: true, name: 'ingress', env: { web: { PUBLIC_RATE_BURST: '1000' } } });
  nginx = await openIngressNginx(system.logDir, system.web);
});
after(async () => {
  await nginx?.[Symbol.asyncDispose]();
  await system?.close();
});

/** A person whose browser reaches web-frontend through nginx. */
const throughNginx = () => new Visitor({ origin: system.web, port: nginx.port });

/** A head's bytes as nginx gave it: its own lines are as long as ours. */
function headBytes({ status, headers }: Answer): number {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => `${name}: ${each}\r\n`),
  );
  return Buffer.byteLength(`HTTP/1.1 ${status} See Other\r\n${lines.join('')}\r\n`);
}

/** All of our answers so far are taken by nginx, and so are the cookies that the browser has now. */
async function fits(visitor: Visitor, where: string): Promise<{ head: number; cookie: number }> {
  const ours = visitor.answers.filter(({ url }) => url.origin === system.web);
  for (const { url, status } of ours) assert.ok(![400, 414, 431, 502].includes(status), `${where}: ${status} ${url}`);
  const cookie = Buffer.byteLength(`Cookie: ${await visitor.jar.getCookieString(system.web)}\r\n`);
  const head = Math.max(...ours.map(headBytes));
  assert.ok(head < limit, `${where}: a head of ${head}`);
  assert.ok(cookie < limit, `${where}: cookies of ${cookie}`);
  return { head, cookie };
}

const text = (length: number) => randomBytes(length).toString('base64url').slice(0, length);

/** Claims as Conditional Access asks for them, of so many characters at most. */
function claimsOf(length: number): string {
  const of = (n: number) => {
    const values = Array.from({ length: n }, () => crypto.randomUUID());
    return JSON.stringify({ access_token: { polids: { essential: true, values } } });
  };
  let n = 1;
  while (of(n + 1).length <= length) n += 1;
  return of(n);
}

describe("behind nginx with ingress-nginx's defaults", () => {
  it('a head of more than 4 KB is 502, and cookies of more than 8 KB are 400', async () => {
    const server = createServer(
      (req, res) => void res.setHeader('X-Long', 'x'.repeat(Number(req.url?.slice(1)))).end(),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await using another = await openIngressNginx(
      system.logDir,
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    );
    const statuses = [3_800, 4_200].map(async (bytes) => (await fetch(`${another.origin}/${bytes}`)).status);
    assert.deepEqual(await Promise.all(statuses), [200, 502]);
    server.closeAllConnections();
    server.close();
    using visitor = throughNginx();
    assert.equal((await visitor.send(`${system.web}/`, { headers: { cookie: `a=${'x'.repeat(8_200)}` } })).status, 400);
    assert.equal((await visitor.send(`${system.web}/`, { headers: { cookie: `a=${'x'.repeat(7_000)}` } })).status, 200);
  });

  for (const length of [10, 200, 400, 700, 1_000]) {
    it(`signs in from the last of nine tabs with return paths of ${length} characters`, async (t) => {
      using visitor = throughNginx();
      for (const [kind, query] of [
        [
          'usual',
          'f=status%20eq%20open%26'
            .repeat(60)
            .slice(0, length - 9)
            .replace(/%\d?$/, ''),
        ],
        ['random', text(length - 9)],
      ]) {
        const path = `/profile?${query}`;
        for (let tab = 0; tab < 9; tab += 1) {
          const { status } = await visitor.send(`${system.web}/sign-in?return_to=${encodeURIComponent(path)}`);
          assert.equal(status, 303);
          t.diagnostic(`${kind}, tab ${tab + 1}: ${JSON.stringify(await fits(visitor, `tab ${tab + 1}`))}`);
        }
        assert.equal((await visitor.send(system.web)).status, 200);
        await visitor.open(`${system.web}/sign-in?prompt=select_account&return_to=${encodeURIComponent(path)}`);
        await pick(visitor, system, 'alice');
        await accept(visitor, system);
        assert.equal(`${visitor.page.url.pathname}${visitor.page.url.search}`, path);
        t.diagnostic(`${kind}, signed in: ${JSON.stringify(await fits(visitor, 'signed in'))}`);
      }
    });
  }

  for (const [length, person] of [
    [100, 'alice'],
    [400, 'bob'],
    [800, 'carol'],
  ] as const) {
    it(`steps up with claims of ${length} characters, for a page and for a script, and comes back`, async (t) => {
      using visitor = throughNginx();
      const claims = claimsOf(length);
      const refused = { aadsts: 50076, error: 'invalid_grant', suberror: 'basic_action', claims };
      await system.admin('DELETE', '/sessions');
      await signIn(visitor, system, person);
      await system.admin('PUT', '/faults', [{ match: { path: '/token', grant: 'refresh_token' }, then: refused }]);
      // Neither has satisfied its step-up before the other gets its own.
      const told = await visitor.fetch('/api/downstream-api/whoami', { headers: { 'x-csrf': '1' } });
      const page = await visitor.send(`${system.web}/graph/me`);
      await system.admin('DELETE', '/faults');
      const links = { script: `${JSON.parse(told.body).sign_in}&return_to=/whoami`, page: page.headers.location ?? '' };
      assert.ok(links.page.length < 100, links.page);
      for (const [asked, link] of Object.entries(links)) {
        const sent = await visitor.send(new URL(link, system.web));
        const location = sent.headers.location ?? '';
        assert.equal(new URL(location).searchParams.get('claims'), claims);
        t.diagnostic(`${asked}: ${JSON.stringify({ ...(await fits(visitor, asked)), link: link.length })}`);
        await visitor.open(location);
        await accept(visitor, system);
        await accept(visitor, system);
        assert.equal(visitor.page.url.pathname, asked === 'page' ? '/graph/me' : '/whoami');
        assert.ok(answerOn(visitor.page));
        t.diagnostic(`${asked}, back: ${JSON.stringify(await fits(visitor, `${asked}, back`))}`);
      }
    });
  }

  it('shows a refusal whose description has 2 KB, and an administrator’s answer', async () => {
    using visitor = throughNginx();
    const { headers } = await visitor.send(`${system.web}/sign-in?prompt=none&return_to=/profile`);
    const state = new URL(headers.location ?? '').searchParams.get('state');
    const refused = `error=login_required&error_description=AADSTS50058%3a${'x'.repeat(2_000)}&state=${state}`;
    const back = await visitor.send(`${system.web}/auth/callback?${refused}`);
    assert.deepEqual([back.status, back.headers.location], [303, '/profile']);
    const agreed = await visitor.open(
      `${system.web}/auth/callback?admin_consent=True&tenant=t&scope=${'y'.repeat(2_000)}`,
    );
    assert.equal(agreed.status, 200);
    assert.match(visitor.words, /An administrator has agreed/);
    await fits(visitor, 'refused');
  });
});
