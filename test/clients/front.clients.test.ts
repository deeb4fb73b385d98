import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { launchChromium } from '../kit/browser/chromium.ts';
import { openBrowserProfile } from '../kit/browser/profile.ts';
import { pick as pickInTab } from '../kit/browser/steps.ts';
import { answers, startChild } from '../kit/child.ts';
import { decode } from '../kit/html.ts';
import { openVerifyingNginx } from '../kit/nginx.ts';
import { freePort } from '../kit/ports.ts';
import { accept, pick } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';
import type { Visitor } from '../kit/visitor.ts';
import { openLanguage } from './languages.ts';

/** A single-page app as somebody builds it: it knows its own paths, and no word of signing in but `/session`. */
const script = `
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  fetch('/session', { headers: { 'X-CSRF': '1' } }).then((r) => r.json()).then((s) => show('who', s.person.name));
  fetch('/api/downstream-api/whoami', { headers: { 'X-CSRF': '1' } }).then((r) => show('api', r.status));
  fetch('/go/me').then((r) => r.json()).then((me) => show('go', me.aud + ' ' + me.name));
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live/socket');
  socket.onopen = () => socket.send('ping');
  socket.onmessage = ({ data }) => show('socket', data);
  socket.onclose = () => show('socket', 'closed');
  const events = new EventSource('/go/events');
  events.onmessage = ({ data }) => show('events', data);
  events.onerror = () => show('events', 'closed');
`;
const places = ['who', 'api', 'go', 'socket', 'events'];
const page = `<!doctype html><title>app</title>${places.map((id) => `<p id="${id}"></p>`).join('')}<script src="/app.js"></script>`;

const opened = new AsyncDisposableStack();
let dir = '';
let system: System;
let ports: Record<'python' | 'go' | 'stock' | 'live' | 'verify', number>;
let chromium: Awaited<ReturnType<typeof launchChromium>>;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'onbehalf-front-'));
  await mkdir(join(dir, 'spa'));
  await writeFile(join(dir, 'spa/index.html'), page);
  await writeFile(join(dir, 'spa/app.js'), script);
  await mkdir(join(dir, 'stock/files'), { recursive: true });
  await writeFile(join(dir, 'stock/files/hello.txt'), 'hello from a stock program');
  const [python, go, stock, verify] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const live = await openLive();
  ports = { python, go, stock, verify, live };
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const token = { pass: 'token', api: 'downstream-api' };
  const upstreams = {
    spa: { folder: join(dir, 'spa') },
    python: { url: at(python), path: '/python', ...token },
    go: { url: at(go), path: '/go', pass: 'identity', identityHeaders: true },
    live: { url: at(live), path: '/live' },
    stock: { url: at(stock), path: '/files' },
    gate: { ...token, identityHeaders: true },
  };
  await writeFile(join(dir, 'upstreams.json'), JSON.stringify(upstreams));
  const env = { UPSTREAMS_FILE: join(dir, 'upstreams.json'), VERIFY_PORT: `${verify}`, TRUSTED_PROXIES: 'loopback' };
  system = opened.use(await openSystem({ frontend: true, name: 'front', env: { web: env } }));
  await startApps();
  chromium = opened.use(await launchChromium());
});
after(async () => {
  await opened.disposeAsync();
  await rm(dir, { recursive: true, force: true });
});

/** The apps, each a program that knows nothing of us. */
async function startApps(): Promise<void> {
  const start = async (name: string, port: number, command: string, args: string[], path: string) => {
    const ready = () => answers(`http://127.0.0.1:${port}${path}`);
    opened.use(await startChild({ name, command, args, logFile: join(system.logDir, `${name}.log`), ready }));
  };
  const go = openLanguage('go')('front_app');
  await start('python', ports.python, 'python3', ['test/clients/python/front_app.py', `${ports.python}`], '/');
  await start('go', ports.go, go.command, [`${ports.go}`, `${system.web}/auth/jwks.json`], '/go/events');
  const serve = ['-m', 'http.server', '--bind', '127.0.0.1', '--directory', join(dir, 'stock'), `${ports.stock}`];
  await start('stock', ports.stock, 'python3', serve, '/files/hello.txt');
}

/** A WebSocket server that sends short texts back. RFC 6455 sections 4.2.2 and 5.2. */
async function openLive(): Promise<number> {
  const server = createServer();
  const sockets = new Set<Duplex>();
  server.on('upgrade', ({ headers }, socket) => {
    sockets.add(socket.on('error', () => undefined));
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
    socket.write(`${head.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
    socket.on('data', (frame: Buffer) => {
      if (frame[0] !== 0x81) return void socket.end();
      const [mask, masked] = [frame.subarray(2, 6), frame.subarray(6)];
      const text = Buffer.from(masked.map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
      socket.write(Buffer.concat([Buffer.from([0x81, text.length + 5]), text, Buffer.from(' back')]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const seenBy = (body: string): Record<string, string> =>
  JSON.parse(decode(/<pre>([\s\S]*)<\/pre>/.exec(body)?.[1] ?? '{}'));

/** Signs a person in from the app's own page. */
async function signedIn(): Promise<Visitor> {
  const visitor = system.visitor();
  await visitor.open(`${system.web}/files/hello.txt?x=1`);
  await pick(visitor, system, 'alice');
  await accept(visitor, system);
  return visitor;
}

describe('apps behind the frontend, with no line of them changed', () => {
  it('a stock program serves its pages to people who are signed in, at the very address that they asked for', async () => {
    const visitor = await signedIn();
    assert.equal(visitor.page.url.href, `${system.web}/files/hello.txt?x=1`);
    assert.equal(visitor.page.body, 'hello from a stock program');
  });

  it('an app in Python gets a token, its own cookie and an upload, and none of our cookies', async () => {
    const visitor = await signedIn();
    await visitor.open(`${system.web}/python`);
    // A token needs the person's consent, once: the app's own page resumes after it.
    await accept(visitor, system);
    assert.equal(visitor.page.url.href, `${system.web}/python`);
    await visitor.open(`${system.web}/python`);
    const seen = seenBy(visitor.page.body);
    assert.deepEqual([seen.bearer, seen.cookie, seen.host], ['Bearer', 'visits=1', new URL(system.web).host]);
    const cookie = await visitor.jar.getCookieString(system.web);
    const body = new Uint8Array(20_000_000);
    const sent = await fetch(`${system.web}/python`, { method: 'POST', body, headers: { cookie, origin: system.web } });
    assert.equal(await sent.text(), '20000000');
  });

  it('a single-page app in Chromium: session, API, WebSocket and events beside it, until the session ends', async () => {
    await using alice = await openBrowserProfile(chromium);
    const { page: tab } = alice;
    await tab.goto(`${system.web}/some/page?of=the`);
    await pickInTab(tab, 'alice');
    const text = (id: string) => tab.locator(`#${id}`).textContent();
    await until(
      async () => (await text('socket')) === 'ping back' && Number(await text('events')) > 1,
      'the app shows no stream',
    );
    assert.equal(tab.url(), `${system.web}/some/page?of=the`);
    await until(
      async () => Boolean(await text('who')) && Boolean(await text('go')) && Boolean(await text('api')),
      'the app shows no person',
    );
    assert.match((await text('go')) ?? '', /^go Alice/);
    assert.match((await text('who')) ?? '', /^Alice/);
    await alice.assertClean();
    const session = (await alice.context.cookies(system.web)).find(({ name }) => name === '__Host-Http-session');
    assert.ok(session?.httpOnly);
    const startedAtMs = performance.now();
    // On another device, as the broker hears it.
    await tab.evaluate(
      `fetch('/sign-out', { method: 'POST', headers: { 'X-CSRF': '1', 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'where=everywhere' })`,
    );
    await until(
      async () => (await text('socket')) === 'closed' && (await text('events')) === 'closed',
      'a stream stays open',
      12_000,
    );
    assert.ok(performance.now() - startedAtMs < 10_000);
  });

  it('nginx asks /auth/verify, and lets nobody pass to a program behind it without a session', async () => {
    const at = (port: number) => `http://127.0.0.1:${port}`;
    await using nginx = await openVerifyingNginx(system.logDir, {
      ...{ app: at(ports.python), frontend: system.web, verify: `${at(ports.verify)}/auth/verify/gate` },
    });
    const headers = { accept: 'text/html', 'x-auth-name': 'Mallory', authorization: 'Bearer forged' };
    const stranger = await fetch(`${nginx.origin}/a?b=1&c=2`, { headers, redirect: 'manual' });
    assert.deepEqual(
      [stranger.status, stranger.headers.get('location')],
      [303, '/sign-in?return_to=%2Fa%3Fb%3D1%26c%3D2'],
    );
    const data = await fetch(`${nginx.origin}/a`, { headers: { accept: '*/*' }, redirect: 'manual' });
    assert.equal(data.status, 401);
    const cookie = await (await signedIn()).jar.getCookieString(system.web);
    const person = await fetch(`${nginx.origin}/a`, { headers: { ...headers, cookie: `own=1; ${cookie}` } });
    assert.equal(person.status, 200);
    const seen = seenBy(await person.text());
    assert.deepEqual([seen.bearer, seen['x-auth-name'], seen.cookie], ['Bearer', 'Alice Ahrens', 'own=1']);
    assert.equal(person.headers.get('authorization'), null);
    // The listener that browsers reach gives none.
    const open = await fetch(`${system.web}/auth/verify/gate`, { headers: { cookie } });
    assert.deepEqual([open.status, open.headers.get('authorization')], [404, null]);
  });
});
