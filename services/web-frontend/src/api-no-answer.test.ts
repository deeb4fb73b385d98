import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { faultOf } from '@onbehalf/node/core/fault.fake';
import { keepSpans } from '@onbehalf/node/core/telemetry/spans.fake';
import { inOwnTrace } from '@onbehalf/node/core/telemetry/tracing';
import { requestApi } from '@onbehalf/node/web/api/api-request';
import { openTestbed, signIn } from './testbed.fake.ts';

type Speech = (socket: Socket) => void;

const spans = keepSpans();

/** A server that says what it likes as soon as it is spoken to. */
async function openSpeaker(speech: Speech) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => speech(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Resolves once every connection so far was closed by the other side. */
    left: async () => {
      // Not by `once` of events, which takes a reset for a failure.
      for (const socket of sockets) if (!socket.closed) await new Promise((gone) => socket.once('close', gone));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const silenceMs = 300;
const timers = new Set<NodeJS.Timeout>();
after(() => {
  for (const timer of timers) clearInterval(timer);
});

const says =
  (...lines: string[]): Speech =>
  (socket) =>
    void socket.write(`${lines.join('\r\n')}\r\n\r\n`);
/** Says a piece every few milliseconds, for ever. */
const keepsSaying =
  (first: string, piece: string, everyMs = 20): Speech =>
  (socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(piece), everyMs);
    timers.add(timer);
    socket.once('close', () => clearInterval(timer));
  };

const badResponses: Record<string, Speech> = {
  'switches to another protocol': says('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'),
  'switches and goes on in it': (socket) => {
    says('HTTP/1.1 101 Switching Protocols', 'Upgrade: h2c', 'Connection: Upgrade')(socket);
    keepsSaying('', 'x')(socket);
  },
  'says 101 without a protocol': says('HTTP/1.1 101 Switching Protocols'),
  'has a status below all classes': says('HTTP/1.1 099 Odd', 'Content-Length: 0'),
  'has a status above all classes': says('HTTP/1.1 999 Odd', 'Content-Length: 0'),
  'is no HTTP': says('SSH-2.0-OpenSSH_9.2'),
  'has a head that is too long': says('HTTP/1.1 200 OK', `X-Long: ${'x'.repeat(40_000)}`),
  'has a head without an end': keepsSaying('HTTP/1.1 200 OK\r\nX-Long: ', 'x'),
  'begins and does not go on beyond its status': keepsSaying('HTTP/1.1 2', '0'),
  'is announced without end': keepsSaying('', 'HTTP/1.1 102 Processing\r\n\r\n', 1),
  'is announced, and its head has no end': keepsSaying('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX: ', 'x'),
};

describe('what is no response', () => {
  for (const [what, speech] of Object.entries(badResponses)) {
    it(`is 502 at once, its connection closed and its span ended: ${what}`, async () => {
      await using speaker = await openSpeaker(speech);
      spans.take();
      const url = new URL(`${speaker.origin}/x`);
      const { signal } = new AbortController();
      const startedAtMs = performance.now();
      const asking = inOwnTrace('test', () => requestApi({ url, method: 'GET', headers: {}, signal, silenceMs }));
      await assert.rejects(asking, faultOf('bad_gateway'));
      assert.ok(performance.now() - startedAtMs < silenceMs * 5, 'it took too long');
      await speaker.left();
      const [call] = spans.take().filter(({ name }) => name === 'GET');
      assert.equal(call?.attributes['error.type'], 'bad_gateway');
    });
  }

  it('is shown as 502 to a script and to a person, who stay signed in', async () => {
    await using speaker = await openSpeaker(badResponses['switches to another protocol'] as Speech);
    const apis = () => ({
      orders: { url: speaker.origin, scopes: ['api://orders/x'], routes: [{ methods: ['GET', 'POST'], path: '/*' }] },
    });
    await using testbed = await openTestbed({ apis });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    for (const sent of [{}, { method: 'POST', body: 'x'.repeat(100_000) }]) {
      const { status, body, setCookies } = await browser.script('/api/orders/x', sent);
      assert.deepEqual([status, JSON.parse(body).error, setCookies], [502, 'server_error', []]);
    }
    assert.equal((await browser.send('/whoami')).status, 502);
    assert.equal((await browser.script('/session')).status, 200);
  });
});

describe('an upload that the API does not take whole', () => {
  /** What the API does once an upload has begun, and what the browser gets. */
  const rows: [what: string, speech: Speech, status: number][] = [
    ['it breaks off', (socket) => socket.resetAndDestroy(), 503],
    ['it leaves', (socket) => socket.destroy(), 503],
    [
      'it responds and leaves',
      (socket) => socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\ntoo much'),
      413,
    ],
    ['it responds and stays', says('HTTP/1.1 413 Too Large\r\nContent-Length: 0'), 413],
  ];
  for (const [what, speech, status] of rows) {
    it(`has its response, on a connection that goes on: ${what}`, async () => {
      await using speaker = await openSpeaker(speech);
      const routes = [{ methods: ['GET', 'POST'], path: '/*' }];
      await using testbed = await openTestbed({
        apis: () => ({ orders: { url: speaker.origin, scopes: ['api://orders/x'], routes } }),
      });
      const browser = testbed.browser();
      await signIn(testbed, browser);
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const signal = AbortSignal.timeout(10_000);
      const open = (method: string, path: string) =>
        request({
          host: '127.0.0.1',
          port: testbed.port,
          agent,
          method,
          path,
          signal,
          headers: { cookie, 'x-csrf': '1' },
        });
      const upload = open('POST', '/api/orders/x');
      const responding = once(upload, 'response');
      upload.write(Buffer.alloc(100_000));
      const [response] = await responding;
      assert.equal(response.statusCode, status);
      response.resume();
      // As browsers do, which read the response when they have sent everything.
      await new Promise((sent) => upload.end(Buffer.alloc(3_000_000), () => sent(undefined)));
      const next = open('GET', '/session').end();
      const [{ statusCode }] = await once(next, 'response');
      assert.deepEqual([statusCode, next.reusedSocket], [200, true]);
      agent.destroy();
    });
  }
});

describe('a response', () => {
  const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  it('may be announced for longer than a silence may last', async () => {
    await using speaker = await openSpeaker((socket) => {
      let said = 0;
      const timer = setInterval(() => {
        said += 1;
        if (said <= 5) return void socket.write('HTTP/1.1 102 Processing\r\n\r\n');
        clearInterval(timer);
        socket.write(response);
      }, 100);
    });
    const url = new URL(speaker.origin);
    const { signal } = new AbortController();
    assert.equal(await text(await requestApi({ url, method: 'GET', headers: {}, signal, silenceMs })), 'ok');
  });

  it('gives the browser no trailer, and no interim response', async () => {
    await using speaker = await openSpeaker(
      says(
        'HTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload\r\n',
        ...['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: Set-Cookie, X-T', '', '2', 'ok', '0'],
        ...['Set-Cookie: a=b', 'X-T: 1'],
      ),
    );
    await using testbed = await openTestbed({
      apis: () => ({ orders: { url: speaker.origin, scopes: ['api://orders/x'] } }),
    });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const { status, headers, body } = await browser.script('/api/orders/x');
    assert.deepEqual([status, body], [200, 'ok']);
    for (const name of ['trailer', 'set-cookie', 'link', 'x-t']) assert.equal(headers.get(name), null, name);
  });
});
