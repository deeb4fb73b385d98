import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openIngressNginx } from '../kit/nginx.ts';
import { accept, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';
import type { Visitor } from '../kit/visitor.ts';

/** How long the API may be silent here, and a pause that is longer by far. */
const silenceSeconds = 1;
const pauseMs = 2_500;
const withinMs = 20_000;

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;
/** What the API does at each path below `/base`; a test puts its own there. */
const handlers = new Map<string, Handler>();
const api = createServer((req, res) => {
  const path = req.url?.replace(/^\/base|\?.*/g, '') ?? '';
  req.on('error', () => undefined);
  (handlers.get(path) ?? ((_, answer) => answer.writeHead(404).end()))(req, res);
});
type Nginx = Awaited<ReturnType<typeof openIngressNginx>>;
let apiOrigin = '';
let dir = '';
let system: System;
let visitor: Visitor;
let cookie = '';
const opened = new AsyncDisposableStack();
const fronts = new Map<string, Nginx>();

/** As ingress-nginx is, as annotations make it, and as nginx itself is. */
const kinds = {
  'that keeps requests back': 'client_max_body_size 0;',
  'that keeps nothing back': 'client_max_body_size 0; proxy_request_buffering off;',
  'that keeps answers back': 'client_max_body_size 0; proxy_buffering on;',
};
const all = Object.keys(kinds) as (keyof typeof kinds)[];
const streaming = 'that keeps nothing back';

before(async () => {
  handlers.set('/whoami', (_, res) => res.end('{}'));
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  apiOrigin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  dir = await mkdtemp(join(tmpdir(), 'onbehalf-apis-'));
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const orders = {
    url: `${apiOrigin}/base`,
    scopes: ['api://onbehalf-api/access_as_user'],
    routes: [
      { methods, path: '/packages/*', encodedSlashes: true },
      { methods, path: '/*' },
    ],
    silenceSeconds,
    allowRequestHeaders: ['Ocp-Apim-Subscription-Key'],
    allowResponseHeaders: ['X-Own'],
  };
  await writeFile(join(dir, 'apis.json'), JSON.stringify({ orders }));
  system = opened.use(
    await openSystem({ frontend: true, name: 'api-nginx', env: { web: { APIS_FILE: join(dir, 'apis.json') } } }),
  );
  for (const [kind, more] of Object.entries(kinds))
    fronts.set(kind, opened.use(await openIngressNginx(system.logDir, system.web, more)));
  visitor = system.visitor();
  await signIn(visitor, system, 'alice');
  await visitor.open(`${system.web}/whoami`);
  await accept(visitor, system);
  assert.equal(visitor.page.url.origin, system.web);
  cookie = await visitor.jar.getCookieString(system.web);
  long = uploadForLong();
  long.catch(() => undefined);
});
after(async () => {
  await opened.disposeAsync();
  api.closeAllConnections();
  api.close();
  if (dir) await rm(dir, { recursive: true });
});

/** Longer than a whole request may take where nobody says otherwise: 60 s, looked at every 5 s. */
const longMs = 68_000;
let long: Promise<{ status: number | undefined; body: string }>;

/** An upload that never pauses and lasts longer than a minute; it begins first, and the others go on beside it. */
function uploadForLong() {
  const startedAtMs = performance.now();
  handlers.set('/long', async (req, res) => res.end(`${(await text(req)).length}`));
  async function* trickle() {
    for (; performance.now() < startedAtMs + longMs; await delay(250)) yield 'x'.repeat(1_000);
  }
  return get(streaming, '/long', { method: 'POST', body: Readable.from(trickle()) }, longMs + withinMs);
}

type Sent = { method?: string; headers?: OutgoingHttpHeaders; body?: Readable };
/** Asks through this nginx as a script of our page does; the path goes as it is written. */
function ask(kind: string, path: string, { method = 'GET', headers = {}, body }: Sent = {}, forMs = withinMs) {
  const { host } = new URL(system.web);
  const asking = request({
    ...{ host: '127.0.0.1', port: fronts.get(kind)?.port, path: `/api/orders${path}`, method, agent: false },
    headers: { host, cookie, 'x-csrf': '1', 'sec-fetch-site': 'same-origin', ...headers },
    signal: AbortSignal.timeout(forMs),
  });
  const answering = once(asking, 'response') as Promise<[IncomingMessage]>;
  answering.catch(() => undefined);
  if (body) body.pipe(asking);
  else asking.end();
  return { asking, answer: async () => (await answering)[0] };
}

async function get(kind: string, path: string, sent?: Sent, forMs?: number) {
  const answer = await ask(kind, path, sent, forMs).answer();
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

const megabyte = Buffer.alloc(1_000_000, 'x');
const times = (count: number) => Array.from({ length: count }, () => megabyte);
const sha = (chunks: Buffer[]) =>
  chunks.reduce((hash, chunk) => hash.update(chunk), createHash('sha256')).digest('hex');

for (const kind of all) {
  describe(`through an nginx ${kind}, an API`, () => {
    it('is given an upload of 32 MB that pauses for longer than the API may be silent', async () => {
      let seenBytes = 0;
      handlers.set('/upload', async (req, res) => {
        const hash = createHash('sha256');
        for await (const chunk of req) {
          seenBytes += chunk.length;
          hash.update(chunk);
        }
        res.end(hash.digest('hex'));
      });
      async function* slowly() {
        yield* times(16);
        if (kind === streaming) await until(() => seenBytes > 1_000_000, 'the API sees the beginning', withinMs);
        await delay(pauseMs);
        yield* times(16);
      }
      const { status, body } = await get(kind, '/upload', { method: 'POST', body: Readable.from(slowly()) });
      assert.deepEqual([status, body, seenBytes], [200, sha(times(32)), 32_000_000]);
    });

    it('sends an event stream that is silent for longer than an answer may begin', async () => {
      let second: (() => void) | undefined;
      handlers.set('/events', ({ headers }, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        res.write(`id: 1\ndata: after ${headers['last-event-id']}\n\n`);
        second = () => res.end('id: 2\ndata: b\n\n');
      });
      const answer = await ask(kind, '/events', { headers: { 'last-event-id': '0' } }).answer();
      assert.equal(answer.headers['x-accel-buffering'], undefined);
      let heard = '';
      answer.setEncoding('utf8').on('data', (piece) => {
        heard += piece;
      });
      await until(() => heard === 'id: 1\ndata: after 0\n\n', 'the first event comes by itself', withinMs);
      await delay(pauseMs);
      second?.();
      await once(answer, 'end');
      assert.equal(heard, 'id: 1\ndata: after 0\n\nid: 2\ndata: b\n\n');
    });

    it('is waited for while the browser pauses a download of 64 MB', async () => {
      let sentBytes = 0;
      function* counted() {
        for (const chunk of times(64)) {
          yield chunk;
          sentBytes += chunk.length;
        }
      }
      handlers.set('/download', (_, res) => {
        res.writeHead(200, { 'content-length': 64_000_000 });
        pipeline(Readable.from(counted()), res, () => undefined);
      });
      const answer = await ask(kind, '/download').answer();
      answer.pause();
      await delay(pauseMs);
      if (kind !== 'that keeps answers back') assert.ok(sentBytes < 64_000_000, 'the pause never came to the API');
      let bytes = 0;
      for await (const chunk of answer) bytes += chunk.length;
      assert.deepEqual([bytes, answer.complete], [64_000_000, true]);
    });

    it('is heard and answered by the listed headers, and leads on by our addresses', async () => {
      let received: IncomingMessage['headers'] = {};
      handlers.set('/list', ({ headers }, res) => {
        received = headers;
        const link = '</base/list?page=2>; rel="next", </x.js>; rel=preload';
        const listed = { etag: '"1"', 'x-total-count': '2', 'x-ratelimit-remaining': '1', 'x-own': 'o' };
        const other = { 'set-cookie': 'a=b', 'x-other': '1', 'x-accel-redirect': '/ready', 'x-accel-expires': '600' };
        const addresses = { location: `${apiOrigin}/base/jobs/1`, 'operation-location': '/base/jobs/1', link };
        res.writeHead(202, { ...listed, ...other, ...addresses }).end('{}');
      });
      handlers.set('/jobs/1', (_, res) => res.end('done'));
      const asked = { consistencylevel: 'eventual', 'ocp-apim-subscription-key': 'k', prefer: 'respond-async' };
      const headers = { ...asked, 'x-other': '1', authorization: 'Bearer mine', 'x-forwarded-for': '1.2.3.4' };
      const answer = await get(kind, '/list', { headers });
      assert.equal(answer.status, 202);
      for (const [name, value] of Object.entries(asked)) assert.equal(received[name], value, name);
      const never = ['x-other', 'cookie', 'x-forwarded-for', 'x-real-ip', 'x-request-id', 'x-csrf', 'x-forwarded-host'];
      for (const name of never) assert.equal(received[name], undefined, name);
      assert.notEqual(received.authorization, 'Bearer mine');
      const expected = {
        ...{ 'x-total-count': '2', 'x-ratelimit-remaining': '1', 'x-own': 'o', 'x-other': undefined },
        ...{ 'set-cookie': undefined, location: '/api/orders/jobs/1', 'operation-location': '/api/orders/jobs/1' },
        ...{ link: '</api/orders/list?page=2>; rel="next"', 'cache-control': 'private, no-cache', vary: 'Cookie' },
      };
      for (const [name, value] of Object.entries(expected)) assert.equal(answer.headers[name], value, name);
      const onward = String(answer.headers.location).replace('/api/orders', '');
      assert.equal((await get(kind, onward)).body, 'done');
    });

    it('is asked for the very path that has an encoded slash, where its route says so', async () => {
      const paths = ['/packages/@org%2Fname', '/packages/%2Fsubscriptions%2F1', '/packages/a%2fb?x=%2F..'];
      const seen: (string | undefined)[] = [];
      const listen: Handler = ({ url }, res) => {
        seen.push(url);
        res.end();
      };
      for (const path of paths) handlers.set(path.replace(/\?.*/, ''), listen);
      for (const path of paths) assert.equal((await get(kind, path)).status, 200, path);
      assert.deepEqual(
        seen,
        paths.map((path) => `/base${path}`),
      );
      for (const path of ['/list%2Fx', '/packages/..%2Flist', '/packages/a%252F..%252Flist', '/packages/..;%2Flist'])
        assert.equal((await get(kind, path)).status, 404, path);
    });

    it('that switches to another protocol is 502 at once', async () => {
      handlers.set('/socket', ({ socket }) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
      );
      const startedAtMs = performance.now();
      const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
      for (const headers of [{}, upgrade]) {
        const { status, body } = await get(kind, '/socket', { headers });
        assert.deepEqual([status, JSON.parse(body).error], [502, 'server_error']);
      }
      assert.ok(performance.now() - startedAtMs < 5_000);
    });

    it('may send a head of 3 KB; a larger one is 502 of nginx, or ours beyond 16 KB, and harms nothing else', async () => {
      const headOf = (bytes: number) => (_: IncomingMessage, res: ServerResponse) =>
        res.writeHead(200, { 'x-own': 'x'.repeat(bytes) }).end('whole');
      for (const [bytes, status, by] of [
        [3_000, 200, undefined],
        [5_000, 502, 'nginx'],
        [20_000, 502, 'server_error'],
      ] as const) {
        handlers.set('/head', headOf(bytes));
        const answer = await get(kind, '/head');
        assert.equal(answer.status, status, `${bytes}`);
        assert.match(answer.body, new RegExp(by ?? '^whole$'), `${bytes}`);
        if (by === undefined) assert.equal(answer.headers['x-own']?.length, bytes);
      }
      handlers.set('/head', headOf(1));
      assert.equal((await get(kind, '/head')).body, 'whole');
      assert.match(await readFile(join(system.logDir, 'nginx.log'), 'utf8'), /too big header/);
    });

    it('is left when the browser leaves, in sending and in reading', async () => {
      let left = 0;
      handlers.set('/endless', (_, res) => {
        const timer = setInterval(() => res.write(megabyte), 5);
        res.once('close', () => {
          clearInterval(timer);
          left += 1;
        });
      });
      const { asking, answer } = ask(kind, '/endless');
      await once(await answer(), 'data');
      asking.destroy();
      await until(() => left === 1, 'the API hears that the reader left', withinMs);
      if (kind !== streaming) return;
      let begun = false;
      handlers.set('/sink', (req) => {
        req.once('data', () => {
          begun = true;
        });
        req.once('close', () => {
          left += 1;
        });
        req.resume();
      });
      const body = new Readable({ read() {} });
      body.push(megabyte);
      const sending = ask(kind, '/sink', { method: 'POST', body });
      await until(() => begun, 'the API sees the beginning', withinMs);
      sending.asking.destroy();
      await until(() => left === 2, 'the API hears that the sender left', withinMs);
    });

    it('that breaks off gives no answer for a whole one, and an early answer comes through', async () => {
      handlers.set('/half', (_, res) => {
        res.write('half');
        setTimeout(() => res.destroy(), 100);
      });
      const answer = await ask(kind, '/half').answer();
      await assert.rejects(text(answer));
      assert.equal(answer.complete, false);
      handlers.set('/none', ({ socket }) => socket.destroy());
      const none = await get(kind, '/none', { method: 'POST', body: Readable.from(times(1)) });
      assert.deepEqual([none.status, none.headers['retry-after']], [503, '2']);
      handlers.set('/full', (_, res) => res.writeHead(413).end('too much'));
      const early = await get(kind, '/full', { method: 'POST', body: Readable.from(times(8)) });
      assert.deepEqual([early.status, early.body], [413, 'too much']);
      assert.equal((await get(kind, '/whoami')).status, 200);
    });
  });
}

describe('through an nginx that keeps nothing back, an upload', () => {
  it('may last longer than a minute', async () => {
    const { status, body } = await long;
    assert.equal(status, 200, body);
    assert.ok(Number(body) > 100_000, `${body} bytes came`);
  });
});
