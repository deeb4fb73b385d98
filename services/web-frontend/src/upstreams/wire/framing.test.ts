import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { publicBaseUrl } from '../../testbed.fake.ts';
import { cookieOf, openFront, openRaw, openUpstream } from '../upstream.fake.ts';

const { host } = new URL(publicBaseUrl);

/** Sends these lines and gives all that comes back. */
async function send(port: number, lines: string[], body = ''): Promise<string> {
  const socket = await openRaw(port);
  socket.setTimeout(3_000, () => socket.destroy());
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  return text(socket).catch(() => '');
}
const statusOf = (response: string) => Number(response.split(' ')[1]);

describe('a request as somebody writes it', () => {
  it('never becomes two requests to the app, nor one that is framed otherwise', async () => {
    await using app = await openUpstream((req, res) => void req.resume().once('end', () => res.end('one')));
    await using front = await openFront(app.url, { require: 'none' });
    const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const framings = [
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['Transfer-Encoding: chunked', 'Content-Length: 5'],
      ['Content-Length: 5', 'Content-Length: 0'],
      ['Content-Length: 5, 0'],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding: xchunked'],
      ['Transfer-Encoding : chunked'],
      ['Content-Length: +5'],
    ];
    for (const framing of framings) {
      const head = ['POST /a HTTP/1.1', `Host: ${host}`, ...framing, 'Connection: close'];
      const response = await send(front.port, head, `0\r\n\r\n${smuggled}`);
      assert.equal(statusOf(response), 400, framing.join());
    }
    assert.deepEqual(
      app.requests.map(({ url }) => url),
      [],
    );
  });

  it('brings no upgrade but a WebSocket, and no header that Connection names', async () => {
    await using app = await openUpstream((req, res) => void req.resume().once('end', () => res.end('one')));
    await using front = await openFront(app.url, { pass: 'identity', identityHeaders: true });
    const upgrade = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'Connection: close, Upgrade, HTTP2-Settings'];
    const named = [
      'Connection: close, x-auth-subject, authorization, cookie',
      'X_Auth_Subject: m',
      'x-AUTH-subject: m',
      'X-Auth-Subject: m',
    ];
    for (const more of [upgrade, named]) {
      const head = ['GET /a HTTP/1.1', `Host: ${host}`, `Cookie: ${cookieOf(front.person)}`, ...more];
      assert.equal(statusOf(await send(front.port, head)), 200, more.join());
      const seen = app.requests.at(-1);
      assert.deepEqual(seen?.headersDistinct['x-auth-subject'], ['oid-alice']);
      assert.match(seen?.headers.authorization ?? '', /^Bearer ey/);
      for (const name of ['upgrade', 'http2-settings', 'x_auth_subject']) assert.equal(seen?.headers[name], undefined);
    }
  });

  it('reaches nobody by another form of its target, nor under another host', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url, { require: 'none' });
    const targets = [
      `http://${host}/a`,
      'http://evil.example/a',
      'evil.example:80',
      '*',
      '//evil.example/a',
      '/a/..%2fb',
      '/a/%2e%2e/b',
    ];
    for (const target of targets) {
      const response = await send(front.port, [`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close']);
      assert.ok([400, 404].includes(statusOf(response)), `${target}: ${response.slice(0, 40)}`);
    }
    assert.equal(app.requests.length, 0);
  });
});

describe('a response as an app writes it', () => {
  const responses: [what: string, response: string, status: number][] = [
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc', 502],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 502],
    [
      'a protocol that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      502,
    ],
    [
      'an early hint',
      'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      200,
    ],
    [
      'headers of its hop',
      'HTTP/1.1 200 OK\r\nConnection: close, x-inner\r\nX-Inner: s\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: x\r\nTrailer: a\r\nContent-Length: 2\r\n\r\nok',
      200,
    ],
  ];
  for (const [what, response, status] of responses) {
    it(`with ${what} is ${status === 200 ? 'passed without it' : 'no response'}`, async () => {
      const app = createServer(
        (socket) => void socket.on('error', () => undefined).once('data', () => socket.end(response)),
      );
      app.listen(0, '127.0.0.1');
      await once(app, 'listening');
      await using front = await openFront(`http://127.0.0.1:${(app.address() as AddressInfo).port}`, {
        require: 'none',
      });
      const got = await send(front.port, ['GET /a HTTP/1.1', `Host: ${host}`, 'Connection: close']);
      app.close();
      assert.equal(statusOf(got), status, got);
      assert.doesNotMatch(got, /x-inner|proxy-auth|trailer|timeout=9|preload/i);
    });
  }
});
