import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { publicBaseUrl } from '../testbed.fake.ts';
import { ask, cookieOf, openFront, openRaw, openUpstream, sayAllLive } from './upstream.fake.ts';

/** The next request that an app is sent, with its response to write. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<{ req: IncomingMessage; res: ServerResponse }>();
  return { next: promise, serve: (req: IncomingMessage, res: ServerResponse) => resolve({ req, res }) };
}

const responseOf = async (asked: ReturnType<typeof ask>) => ((await once(asked, 'response')) as [IncomingMessage])[0];

describe('a stream', () => {
  it('of events reaches the page event by event, and ends at once with a sign-out here', async () => {
    const { next, serve } = gate();
    await using app = await openUpstream(serve);
    await using front = await openFront(app.url, { silenceSeconds: 1 });
    const asked = ask(front.port, { headers: { cookie: cookieOf(front.person), accept: 'text/event-stream' } });
    asked.end();
    const { res } = await next;
    res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    // Its head comes before the first event.
    const response = await responseOf(asked);
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      res.write(event);
      assert.equal(String((await once(response, 'data'))[0]), event);
    }
    const cut = once(response, 'error');
    const left = once(res, 'close');
    sayAllLive(front);
    await front.person.submit('/sign-out');
    await Promise.all([cut, left]);
  });

  it('of an upload is cut on both sides at once with a sign-out here', async () => {
    const { next, serve } = gate();
    await using app = await openUpstream(serve);
    await using front = await openFront(app.url);
    const headers = { cookie: cookieOf(front.person), origin: publicBaseUrl, 'transfer-encoding': 'chunked' };
    const asked = ask(front.port, { method: 'PUT', headers });
    asked.write('begun');
    const { req } = await next;
    sayAllLive(front);
    const cut = once(asked, 'error');
    const left = once(req, 'error');
    await front.person.submit('/sign-out');
    await Promise.all([cut, left]);
    assert.equal(req.complete, false);
  });

  it('of an upload reaches the app as it is sent, whatever its size, and is measured by nobody', async () => {
    const part = randomBytes(65_536);
    const parts = 500;
    let arrived = 0;
    const { next, serve } = gate();
    await using app = await openUpstream(serve);
    await using front = await openFront(app.url);
    const headers = { cookie: cookieOf(front.person), origin: publicBaseUrl, 'transfer-encoding': 'chunked' };
    const asked = ask(front.port, { method: 'PUT', headers });
    asked.write(part);
    const { req, res } = await next;
    await once(req, 'readable');
    req.on('data', (chunk) => {
      arrived += chunk.length;
    });
    for (let sent = 1; sent < parts; sent += 1) if (!asked.write(part)) await once(asked, 'drain');
    asked.end();
    await once(req, 'end');
    assert.equal(arrived, parts * part.length);
    res.end('thanks');
    assert.equal(await text(await responseOf(asked)), 'thanks');
  });

  it('ends at the app when the browser leaves, and at the browser when the app does', async () => {
    const first = gate();
    const second = gate();
    let serve = first.serve;
    await using app = await openUpstream((req, res) => serve(req, res));
    await using front = await openFront(app.url);
    const headers = { cookie: cookieOf(front.person) };
    const leaving = ask(front.port, { headers }).on('error', () => undefined);
    leaving.end();
    const { res } = await first.next;
    leaving.destroy();
    await once(res, 'close');
    serve = second.serve;
    const asked = ask(front.port, { headers });
    asked.end();
    const half = await second.next;
    half.res.writeHead(200, { 'content-length': '10' }).write('half');
    const response = await responseOf(asked);
    half.res.destroy();
    await assert.rejects(text(response), { code: 'ECONNRESET' });
  });

  it('is given up where the app is silent for its time: 503 with the wait', async () => {
    await using app = await openUpstream(() => undefined);
    await using front = await openFront(app.url, { silenceSeconds: 1 });
    const { status, headers, body } = await front.person.send('/slow');
    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
    assert.match(body, /cannot be reached/);
    assert.equal((await front.person.script('/session')).status, 200);
  });
});

describe('a flood of headers', () => {
  const mb = 'a'.repeat(1_048_576);

  it('of 100 MB from a browser is refused at its beginning', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url);
    const socket = await openRaw(front.port);
    const answered = text(socket);
    socket.write('GET / HTTP/1.1\r\nHost: localhost:3000\r\n');
    let sent = 0;
    for (; sent < 100 && socket.writable; sent += 1) {
      const taken = socket.write(`X-${sent}: ${mb}\r\n`, () => undefined);
      if (!taken) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    }
    assert.match(await answered.catch(() => 'HTTP/1.1 431 cut'), /^HTTP\/1\.1 431 /);
    assert.ok(sent < 100);
    assert.equal(app.requests.length, 0);
  });

  it('from the app is its fault, and no response of it', async () => {
    await using app = await openUpstream((_req, res) => {
      const { socket } = res;
      socket?.write('HTTP/1.1 200 OK\r\n');
      const flood = () => {
        while (socket?.writable && socket.write(`X: ${mb}\r\n`));
      };
      socket?.on('drain', flood).on('error', () => undefined);
      flood();
    });
    await using front = await openFront(app.url);
    const { status, body } = await front.person.send('/');
    assert.equal(status, 502);
    assert.match(body, /is broken/);
  });
});
