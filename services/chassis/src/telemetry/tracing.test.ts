import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { createServer as createTlsServer, get, Agent as HttpsAgent } from 'node:https';
import { type AddressInfo, createServer, type LookupFunction } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault, type FaultCode } from '@onbehalf/node/core/fault';
import { startCall, toOurs } from '@onbehalf/node/core/telemetry/client-span';
import { linkRequest, nameRoute } from '@onbehalf/node/core/telemetry/request-facts';
import { keepSpans } from '@onbehalf/node/core/telemetry/spans.fake';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { activeSpan, inOwnTrace, inSpan, inSpanIfFailed } from '@onbehalf/node/core/telemetry/tracing';
import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { Router } from 'express';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import { createApp } from '../http/http.ts';
import { serve } from '../http/serve.ts';
import { createLogger } from './logger.ts';
import { observed } from './server-span.ts';
import { watchUndici } from './undici-spans.ts';

const spans = keepSpans();
watchUndici();

const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)];
const traceparent = `00-${traceId}-${spanId}-01`;
const listen = { port: 0, host: '127.0.0.1', drainMs: 100 };

/** TLS by a key that both sides know. */
const psk = Buffer.alloc(32, 1);
const withoutCertificate = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;

/** What a span says of its connection. */
const connectionOf = (attributes: Attributes = {}): Attributes =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => {
      const [, part] = /^onbehalf\.connection\.(\w+)$/.exec(name) ?? [];
      return part ? [[part, value]] : [];
    }),
  );

/** Serves one request of a listener and gives the spans it left. */
async function served(listener: RequestListener, path = '/', headers: Record<string, string> = { traceparent }) {
  await using server = await serve(observed(listener), listen);
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
  const body = await response.text();
  await new Promise(setImmediate);
  return { body, spans: spans.take() };
}

const silent = pino({ level: 'silent' });

describe('a server span', () => {
  it('is the child of the caller’s span and bears method, route and status', async () => {
    const routes = Router();
    routes.get('/items/:id', (_req, res) => void res.json({ traceId: newTraceId() }));
    const { spans: seen, body } = await served(createApp({ logger: silent, routes }), '/items/secret?code=secret');
    const [span] = seen.filter(({ kind }) => kind === SpanKind.SERVER);
    assert.equal(span?.name, 'GET /items/:id');
    assert.equal(span?.spanContext().traceId, traceId);
    assert.equal(span?.parentSpanContext?.spanId, spanId);
    const { 'server.port': port, ...attributes } = span?.attributes ?? {};
    assert.deepEqual(attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/items/:id',
      'server.address': '127.0.0.1',
      'url.path': '/items/:id',
      'url.scheme': 'http',
    });
    assert.ok(Number(port) > 0);
    assert.equal(JSON.parse(body).traceId, traceId);
  });

  it('is named by nameRoute where Express does not serve', async () => {
    const { spans: seen } = await served((_req, res) => {
      nameRoute('/oauth2/token');
      res.end();
    });
    assert.equal(seen[0]?.name, 'GET /oauth2/token');
  });

  it('fails with the code of the Fault that ended the request', async () => {
    const routes = Router();
    routes.get('/busy', () => {
      throw new Fault('unavailable', 'Later.');
    });
    const { spans: seen } = await served(createApp({ logger: silent, routes }), '/busy');
    assert.equal(seen[0]?.attributes['error.type'], 'unavailable');
    assert.deepEqual(seen[0]?.status, { code: SpanStatusCode.ERROR, message: 'unavailable' });
  });

  it('does not fail with a response that tells the caller what to do', async () => {
    const routes = Router();
    routes.get('/consent', () => {
      throw new Fault('consent_required', 'Ask.');
    });
    const { spans: seen } = await served(createApp({ logger: silent, routes }), '/consent');
    assert.equal(seen[0]?.attributes['error.type'], 'consent_required');
    assert.equal(seen[0]?.status.code, SpanStatusCode.OK);
  });

  it('begins a trace of its own for a broken traceparent, and links to an earlier one', async () => {
    const earlier = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: 1 };
    const listener: RequestListener = (_req, res) => {
      linkRequest(earlier);
      res.end();
    };
    const { spans: seen } = await served(listener, '/', { traceparent: `00-${'0'.repeat(32)}-${spanId}-01` });
    assert.equal(seen[0]?.parentSpanContext, undefined);
    assert.deepEqual(
      seen[0]?.links.map((link) => link.context),
      [earlier],
    );
  });
});

describe('a client span', () => {
  /** What a server of another party hears when it is called while a request is served. */
  async function heardFrom(call: (url: string) => Promise<unknown>, status = 200) {
    let heard: IncomingHttpHeaders = {};
    const other: RequestListener = (req, res) => {
      heard = req.headers;
      res.writeHead(status).end();
    };
    await using server = await serve(other, listen);
    await inOwnTrace('work', () => call(`http://127.0.0.1:${server.port}/path?code=secret`));
    await new Promise(setImmediate);
    return { heard, client: spans.take().find(({ kind }) => kind === SpanKind.CLIENT) };
  }

  it('sends the trace context to a service of ours', async () => {
    const { heard, client } = await heardFrom((url) => toOurs('unused', (headers) => fetch(url, { headers })));
    const { traceId: trace, spanId: span } = client?.spanContext() ?? {};
    assert.equal(heard.traceparent, `00-${trace}-${span}-01`);
  });

  it('sends on what vendors put beside the trace context', async () => {
    let heard: IncomingHttpHeaders = {};
    await using other = await serve((req, res) => {
      heard = req.headers;
      res.end();
    }, listen);
    const call: RequestListener = async (_req, res) => {
      await toOurs('unused', (headers) => fetch(`http://127.0.0.1:${other.port}`, { headers }));
      res.end();
    };
    await served(call, '/', { traceparent, tracestate: 'vendor=kept' });
    assert.equal(heard.tracestate, 'vendor=kept');
    assert.match(String(heard.traceparent), new RegExp(`^00-${traceId}-`));
  });

  it('sends nothing to anybody else', async () => {
    const { heard, client } = await heardFrom((url) => fetch(url));
    assert.deepEqual([heard.traceparent, heard.tracestate, heard.baggage], [undefined, undefined, undefined]);
    const names = Object.keys(client?.attributes ?? {}).filter((name) => !name.startsWith('onbehalf.connection.'));
    assert.deepEqual(names.sort(), [
      'http.request.method',
      'http.response.status_code',
      'server.address',
      'server.port',
    ]);
  });

  it('says how long it waited for a connection, by its parts, and nothing where one was there', async () => {
    const slowly: LookupFunction = (_host, { all }, found) =>
      void setTimeout(
        () => (all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4)),
        30,
      );
    const tls = createTlsServer({ ...withoutCertificate, pskCallback: () => psk }, (_req, res) => void res.end());
    // The handshake begins late.
    const other = createServer((socket) => void setTimeout(() => tls.emit('connection', socket), 60));
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const url = `https://somewhere.test:${(other.address() as AddressInfo).port}/`;
    const pskCallback = () => ({ psk, identity: 'test' });
    const options = { ...withoutCertificate, lookup: slowly, pskCallback, checkServerIdentity: () => undefined };
    const agent = new Agent({ connections: 1, connect: options });
    const keptAlive = new HttpsAgent({ keepAlive: true, ...options });
    await using opened = new AsyncDisposableStack();
    opened.defer(() => void other.close());
    opened.defer(() => tls.closeAllConnections());
    opened.defer(() => agent.destroy());
    opened.defer(() => keptAlive.destroy());
    const byFetch = async () => (await request(url, { dispatcher: agent })).body.dump();
    const byNode = async () => {
      const sent = get(url, { agent: keptAlive });
      const call = startCall('GET', new URL(url));
      call.watchSocket(sent);
      const [response] = await once(sent, 'response');
      response.resume();
      await once(response, 'end');
      call.end();
    };
    for (const call of [byFetch, byNode]) {
      await inOwnTrace('work', () => call().then(call));
      await new Promise(setImmediate);
      const calls = spans.take().filter(({ kind }) => kind === SpanKind.CLIENT);
      const [first, second] = calls.map(({ attributes }) => attributes);
      const { dns, tcp = 0, tls: handshake, wait } = connectionOf(first);
      const all = `${dns} + ${tcp} + ${handshake} of ${wait} ms`;
      assert.ok(Number(dns) >= 29 && Number(handshake) >= 59, all);
      assert.ok(Number(tcp) < 30 && Number(dns) + Number(tcp) + Number(handshake) <= Number(wait) + 3, all);
      // A busy machine takes a moment to hand the kept one over, never as long as a name takes here.
      const { wait: waited = 0, ...made } = connectionOf(second);
      assert.deepEqual(made, {});
      assert.ok(Number(waited) < 29, `${waited} ms`);
    }
  });

  it('fails with a 5xx, not with a 4xx', async () => {
    assert.equal((await heardFrom((url) => fetch(url), 503)).client?.status.code, SpanStatusCode.ERROR);
    assert.equal((await heardFrom((url) => fetch(url), 401)).client?.status.code, SpanStatusCode.UNSET);
  });

  it('is not made outside a trace, yet our services hear which one it is', async () => {
    let heard: string | undefined;
    await using server = await serve((req, res) => {
      heard = String(req.headers.traceparent);
      res.end();
    }, listen);
    await toOurs(traceId, (headers) => fetch(`http://127.0.0.1:${server.port}`, { headers }));
    assert.match(heard ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    assert.deepEqual(spans.take(), []);
  });
});

describe('work', () => {
  it('is a child span with the kind of its error, never its words', async () => {
    const work = () => inSpan('inner', () => Promise.reject(new TypeError('eyJ secret')));
    await assert.rejects(inOwnTrace('outer', work), TypeError);
    const [inner, outer] = spans.take();
    assert.equal(inner?.parentSpanContext?.spanId, outer?.spanContext().spanId);
    assert.equal(inner?.attributes['error.type'], 'TypeError');
    assert.deepEqual(inner?.events, []);
  });

  it('does not fail where a Fault tells its caller what to do, as an expected 401 does', async () => {
    const refuse = (code: FaultCode) => inSpan(code, () => Promise.reject(new Fault(code, 'x')));
    for (const code of ['invalid_token', 'login_required', 'unavailable', 'throttled', 'server_error'] as const)
      await inOwnTrace('outer', () => refuse(code).catch(() => undefined));
    const inner = spans.take().filter(({ name }) => name !== 'outer');
    assert.deepEqual(
      inner.map(({ status, attributes }) => [attributes['error.type'], status.code === SpanStatusCode.ERROR]),
      [
        ['invalid_token', false],
        ['login_required', false],
        ['unavailable', true],
        ['throttled', true],
        ['server_error', true],
      ],
    );
  });

  it('that is told only where it fails is a span then, as long as it took', async () => {
    const check = (work: () => Promise<unknown>) =>
      inOwnTrace('outer', () => inSpanIfFailed('check', work, { attributes: { 'test.text': 'x' } }));
    await check(async () => null);
    assert.deepEqual(
      spans.take().map(({ name }) => name),
      ['outer'],
    );
    const refuse = () => delay(5).then(() => Promise.reject(new Fault('unavailable', 'x')));
    await assert.rejects(check(refuse), Fault);
    const [failed, outer] = spans.take();
    assert.deepEqual([failed?.name, failed?.attributes['test.text']], ['check', 'x']);
    assert.equal(failed?.parentSpanContext?.spanId, outer?.spanContext().spanId);
    assert.equal(failed?.status.code, SpanStatusCode.ERROR);
    assert.ok(Number(failed?.duration[1]) > 4_000_000, String(failed?.duration));
    await assert.rejects(inSpanIfFailed('check', refuse), Fault);
    assert.deepEqual(spans.take(), []);
  });

  it('is never drawn longer than the work it is part of', async () => {
    const busy = async () => {
      const endMs = performance.now() + 0.3;
      while (performance.now() < endMs);
    };
    for (let times = 0; times < 50; times += 1) await inOwnTrace('outer', () => inSpan('inner', busy));
    const ended = spans.take();
    const nanoseconds = ([seconds, nanos]: [number, number]) => BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
    for (const inner of ended.filter(({ name }) => name === 'inner')) {
      const outer = ended.find((one) => one.spanContext().spanId === inner.parentSpanContext?.spanId);
      assert.ok(outer && nanoseconds(outer.startTime) <= nanoseconds(inner.startTime));
      assert.ok(nanoseconds(inner.endTime) <= nanoseconds(outer.endTime));
    }
  });

  it('in its own trace and what caused it link to each other', async () => {
    const cause = await inOwnTrace('cause', async () => {
      await inOwnTrace('effect', async () => {});
      return activeSpan();
    });
    const [effect, causing] = spans.take();
    assert.equal(effect?.links[0]?.context.spanId, cause?.spanId);
    assert.equal(causing?.links[0]?.context.spanId, effect?.spanContext().spanId);
  });

  it('gives its log lines the ids of trace and span', async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'info', service: 'test' }, { write: (line) => void lines.push(line) });
    const active = await inOwnTrace('logging', async () => {
      logger.info('inside');
      return activeSpan();
    });
    logger.info('outside');
    const [inside, outside] = lines.map((line) => JSON.parse(line));
    assert.deepEqual([inside.trace_id, inside.span_id], [active?.traceId, active?.spanId]);
    assert.equal('trace_id' in outside, false);
  });
});
