import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { faultOf } from '../../core/fault.fake.ts';
import { requestApi } from './api-request.ts';

async function openApi(listener: RequestListener) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`);
  const call = (method = 'GET', silenceMs = 5_000, body?: Readable) =>
    requestApi({ url, method, headers: {}, body, signal: new AbortController().signal, silenceMs });
  return {
    call,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Responds to the first request of a connection and resets it on the next. */
function closesIdleConnections(): RequestListener {
  const seen = new WeakSet<Socket>();
  return (req, res) => {
    if (seen.has(req.socket)) req.socket.resetAndDestroy();
    else res.end('first');
    seen.add(req.socket);
  };
}

const isUnavailable = faultOf('unavailable');

describe('a request to an API', () => {
  it('is sent again when it met a connection that was just being closed, if it may be', async () => {
    await using api = await openApi(closesIdleConnections());
    assert.equal(await text(await api.call()), 'first');
    assert.equal(await text(await api.call()), 'first');
    await assert.rejects(api.call('POST'), isUnavailable);
  });

  it('is given up when no response begins', async () => {
    await using api = await openApi(() => {});
    await assert.rejects(api.call('GET', 50), isUnavailable);
  });

  it('fails in its body when the response stalls', async () => {
    await using api = await openApi((_req, res) => void res.write('half'));
    await assert.rejects(text(await api.call('GET', 50)));
  });

  it('lasts as long as the response moves', async () => {
    await using api = await openApi((_req, res) => {
      let pieces = 0;
      const timer = setInterval(() => {
        res.write('.');
        pieces += 1;
        if (pieces === 10) {
          clearInterval(timer);
          res.end();
        }
      }, 30);
    });
    assert.equal(await text(await api.call('GET', 150)), '..........');
  });

  it('is not given up while the browser pauses in reading, nor for silence of an event stream', async () => {
    await using api = await openApi((req, res) => {
      if (req.method === 'GET') {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
        setTimeout(() => res.end('data: 2\n\n'), 500);
      } else res.end(Buffer.alloc(8_000_000));
    });
    assert.equal(await text(await api.call('GET', 200)), 'data: 1\n\ndata: 2\n\n');
    const download = await api.call('POST', 200);
    await delay(500);
    let bytes = 0;
    for await (const chunk of download) bytes += chunk.length;
    assert.equal(bytes, 8_000_000);
  });

  it('is not given up while the browser pauses in sending', async () => {
    await using api = await openApi(async (req, res) => void res.end(await text(req)));
    const body = new PassThrough();
    body.write('a');
    const response = api.call('POST', 200, body);
    await delay(500);
    body.end('b');
    assert.equal(await text(await response), 'ab');
  });
});
