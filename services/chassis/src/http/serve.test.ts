import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Serving, serve } from './serve.ts';

const loopback = { port: 0, host: '127.0.0.1', drainMs: 60_000 };

/** Sends bytes as they are and gives everything that comes back until the server hangs up. */
async function raw({ port }: Serving, bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.end(bytes);
  return await text(socket);
}

async function ask({ port }: Serving, agent: Agent, path = '/'): Promise<IncomingMessage> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent }), 'response')) as [IncomingMessage];
  return response;
}

describe('serve', () => {
  it('rejects where it cannot bind', async () => {
    await using first = await serve(() => {}, loopback);
    await assert.rejects(
      serve(() => {}, { ...loopback, port: first.port }),
      { code: 'EADDRINUSE' },
    );
  });

  it('lets a request finish and then does not wait for its kept connection', async () => {
    const gate = Promise.withResolvers<void>();
    const server = await serve(async (_req, res) => {
      res.write('half ');
      await gate.promise;
      res.end('whole');
    }, loopback);
    const agent = new Agent({ keepAlive: true });
    const response = await ask(server, agent);
    const closed = server[Symbol.asyncDispose]();
    gate.resolve();
    assert.equal(await text(response), 'half whole');
    // Far below drainMs: the test's own limit would show it.
    await closed;
    agent.destroy();
  });

  it('takes no new connection while it drains', async () => {
    const gate = Promise.withResolvers<void>();
    const server = await serve(async (_req, res) => {
      res.flushHeaders();
      await gate.promise;
      res.end();
    }, loopback);
    const agent = new Agent();
    const response = await ask(server, agent);
    const closed = server[Symbol.asyncDispose]();
    await assert.rejects(ask(server, new Agent()), { code: 'ECONNREFUSED' });
    gate.resolve();
    await text(response);
    await closed;
  });

  it('cuts what is left after drainMs', async () => {
    const server = await serve((_req, res) => res.flushHeaders(), { ...loopback, drainMs: 1 });
    const response = await ask(server, new Agent());
    const cut = assert.rejects(text(response));
    await server[Symbol.asyncDispose]();
    await cut;
  });

  it('closes no connection that is in use before its client was told', async () => {
    const server = await serve((_req, res) => void res.end(), loopback);
    const connected: Promise<unknown>[] = [];
    const callers = Array.from({ length: 8 }, async (_, i) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const { promise, resolve } = Promise.withResolvers<void>();
      connected.push(promise);
      for (let told = false; !told; ) {
        const response = await ask(server, agent);
        await text(response);
        told = response.headers.connection === 'close';
        resolve();
        // Between requests a connection is idle; each caller has a pace of its own.
        await delay(5 + i);
      }
      agent.destroy();
    });
    await Promise.all(connected);
    await server[Symbol.asyncDispose]();
    await Promise.all(callers);
  });

  it('waits for no idle connection', async () => {
    const server = await serve((_req, res) => void res.end(), loopback);
    const agent = new Agent({ keepAlive: true });
    await text(await ask(server, agent));
    await server[Symbol.asyncDispose]();
    agent.destroy();
  });

  const line = 'GET / HTTP/1.1\r\nHost: a\r\n';
  const broken: [what: string, bytes: string, status: RegExp][] = [
    ['headers over the limit', `${line}A: ${'a'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['a request line that is none', 'nonsense\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['two lengths', `${line}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a length and chunks', `${line}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['a broken header name', `${line}A b: c\r\n\r\n`, /^HTTP\/1\.1 400 /],
  ];
  for (const [what, bytes, status] of broken) {
    it(`refuses ${what} with JSON that nobody stores`, async () => {
      await using server = await serve((_req, res) => void res.end('reached'), loopback);
      const response = await raw(server, bytes);
      assert.match(response, status);
      assert.match(response, /\r\nCache-Control: no-store\r\n/);
      assert.match(response, /\r\n\r\n\{"error":"invalid_request",/);
      assert.match(response, /\r\nConnection: close\r\n/);
    });
  }

  it('outlives a client that goes away in the middle of a request', async () => {
    await using server = await serve((_req, res) => void res.end('here'), loopback);
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    await once(socket, 'connect');
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Le');
    socket.resetAndDestroy();
    assert.equal(await text(await ask(server, new Agent())), 'here');
  });
});
