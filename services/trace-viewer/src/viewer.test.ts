import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Flow } from './flow.ts';
import { scripts } from './page.ts';
import { sampleFlow } from './sample-flow.ts';
import type { Span } from './span.ts';
import { createViewer, type Viewer } from './viewer.ts';

const evening = Date.UTC(2026, 5, 1, 18);
const mib = 2 ** 20;

let viewer: Viewer;
before(async () => {
  viewer = await createViewer({ capacity: 1_000 });
});
after(() => viewer[Symbol.asyncDispose]());

function send(body: string | Buffer, headers: Record<string, string> = {}, path = '/v1/traces') {
  const all = { 'Content-Type': 'application/json', ...headers };
  return fetch(viewer.url + path, { method: 'POST', headers: all, body: Buffer.from(body) });
}

async function sendSample(...sample: Parameters<typeof sampleFlow>): Promise<string> {
  const { traceId, body } = sampleFlow(...sample);
  assert.equal((await send(JSON.stringify(body))).status, 200);
  return traceId;
}

function withHost(host: string | string[], path = '/api/flows'): Promise<number | undefined> {
  const { port } = new URL(viewer.url);
  return new Promise((resolve, reject) => {
    const req = request(
      { port, host: '127.0.0.1', path, headers: [host].flat().flatMap((one) => ['Host', one]), agent: false },
      (res) => {
        res.resume().on('end', () => resolve(res.statusCode));
      },
    );
    req.on('error', reject).end();
  });
}

describe('the receiver', () => {
  it('sums up a sign-in as one flow', async () => {
    const traceId = await sendSample('signIn', 'one', evening);
    const flows = (await (await fetch(`${viewer.url}/api/flows`)).json()) as Flow[];
    const flow = flows.find((each) => each.traceId === traceId);
    assert.equal(flow?.action, 'sign in');
    assert.equal(flow?.outcome, 'success');
    assert.equal(flow?.error, false);
    assert.deepEqual(flow?.services, ['web-frontend', 'token-broker', 'downstream-api']);
    assert.ok(flow.ownMs < 250 && flow.durationMs > 8_000, 'the time at Entra ID is not ours');
  });

  it('takes gzip, and metrics and logs without keeping them', async () => {
    const { traceId, body } = sampleFlow('throttled', 'packed', evening);
    const gzip = { 'Content-Encoding': 'gzip' };
    assert.equal((await send(gzipSync(JSON.stringify(body)), gzip)).status, 200);
    assert.equal(viewer.spans(traceId).length, 6);
    assert.equal((await send('{}', {}, '/v1/metrics')).status, 200);
    assert.equal((await send('{}', {}, '/v1/logs')).status, 200);
  });

  it('gives a span back as it came, links and attributes too', async () => {
    const earlier = await sendSample('signIn', 'before', evening);
    const traceId = await sendSample('throttled', 'later', evening + 60_000, 'before');
    const answer = (await (await fetch(`${viewer.url}/api/traces/${traceId}`)).json()) as { spans: Span[] };
    const root = answer.spans[0];
    assert.equal(root?.name, 'GET /api/{name}/*');
    assert.equal(root?.startMs, evening + 60_000);
    assert.equal(root?.attributes['http.response.status_code'], 503);
    assert.equal(root?.error, true);
    assert.equal(root?.links[0]?.traceId, earlier);
  });

  it('gives the root first, also before a span of its millisecond that came earlier', async () => {
    const traceId = 'c'.repeat(32);
    const times = { startTimeUnixNano: '1780000000000000000', endTimeUnixNano: '1780000000005000000' };
    const [root, child] = ['d'.repeat(16), 'e'.repeat(16)];
    for (const span of [
      { spanId: child, parentSpanId: root, name: 'child' },
      { spanId: root, name: 'root' },
    ])
      await send(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId, ...times, ...span }] }] }] }));
    assert.deepEqual(
      viewer.spans(traceId).map(({ name }) => name),
      ['root', 'child'],
    );
  });

  it('cuts long names and values', async () => {
    const { traceId, body } = sampleFlow('throttled', 'long', evening);
    const span = body.resourceSpans[0]?.scopeSpans[0]?.spans[0];
    assert.ok(span);
    span.name = 'n'.repeat(5_000);
    span.attributes = Array.from({ length: 200 }, (_, i) => ({
      key: `k${i}`,
      value: { stringValue: 'v'.repeat(9_000) },
    }));
    await send(JSON.stringify(body));
    const kept = viewer.spans(traceId).find(({ spanId }) => spanId === span.spanId);
    assert.equal(kept?.name.length, 256);
    assert.equal(Object.keys(kept?.attributes ?? {}).length, 64);
    assert.equal(String(kept?.attributes.k0).length, 1_024);
  });

  const refusals: [what: string, body: string | Buffer, headers: Record<string, string>, status: number][] = [
    ['4 MiB and a byte', Buffer.alloc(4 * mib + 1, 32), {}, 413],
    ['16 MiB and a byte inflated', gzipSync(Buffer.alloc(16 * mib + 1, 32)), { 'Content-Encoding': 'gzip' }, 413],
    ['what is not gzip', 'plain', { 'Content-Encoding': 'gzip' }, 400],
    ['another coding', 'plain', { 'Content-Encoding': 'br' }, 415],
    ['what a page of another site can send unasked', '{"resourceSpans":[]}', { 'Content-Type': 'text/plain' }, 415],
    ['what is not JSON', '{', {}, 400],
    ['another JSON', '{"spans":[]}', {}, 400],
    ['what is not protobuf', Buffer.from('ff'), { 'Content-Type': 'application/x-protobuf' }, 400],
  ];
  for (const [what, body, headers, status] of refusals) {
    it(`refuses ${what} with ${status}`, async () => {
      assert.equal((await send(body, headers)).status, status);
    });
  }

  it('survives spans that are nonsense', async () => {
    const nonsense = { traceId: 7, spanId: null, startTimeUnixNano: {}, attributes: 'x', links: [null], status: 3 };
    const resourceSpans = [null, { scopeSpans: [{ spans: [nonsense, null, 'x'] }] }, { scopeSpans: 'x' }];
    assert.equal((await send(JSON.stringify({ resourceSpans }))).status, 200);
  });
});

describe('the ring', () => {
  it('lets whole traces go, the oldest first', async () => {
    await using small = await createViewer({ capacity: 60 });
    const ids: string[] = [];
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']) {
      const { traceId, body } = sampleFlow('throttled', seed, evening);
      ids.push(traceId);
      await fetch(`${small.url}/v1/traces`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    }
    assert.equal(small.flows().length, 10);
    assert.deepEqual(small.spans(ids[0] ?? ''), []);
    assert.equal(small.spans(ids[1] ?? '').length, 6);
    assert.equal((await fetch(`${small.url}/api/traces/${ids[0]}`)).status, 404);
  });
});

describe('the page', () => {
  it('is one of at most 48 KB without outside parts', async () => {
    const html = await (await fetch(viewer.url)).text();
    assert.ok(Buffer.byteLength(html) <= 49_152, `${Buffer.byteLength(html)} bytes`);
    assert.doesNotMatch(html, /(?:src|href)="(?!data:|\/|#|\$)|@import|https?:\/\/(?!www\.w3\.org)/);
  });

  it('has every file that one of its scripts imports, before it', async () => {
    for (const [at, path] of scripts.entries()) {
      const text = await readFile(join(import.meta.dirname, path), 'utf8');
      for (const [, imported = ''] of text.matchAll(/^(?:import|\}) .*from '(\..*)';$/gm)) {
        const place = scripts.indexOf(join(dirname(path), imported));
        assert.ok(place >= 0 && place < at, `${path} imports ${imported}`);
      }
    }
  });

  it('allows its own script and style by a fresh nonce and nothing else', async () => {
    const [first, second] = [await fetch(viewer.url), await fetch(viewer.url)];
    const policy = first.headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; .*script-src 'nonce-[\w+/=]{24}'; style-src 'nonce-/);
    assert.notEqual(policy, second.headers.get('content-security-policy'));
    assert.equal(first.headers.get('access-control-allow-origin'), null);
  });

  it('shows a span named like markup as text, everywhere', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    const { traceId, body } = sampleFlow('throttled', 'evil', evening);
    for (const { resource, scopeSpans } of body.resourceSpans) {
      for (const { value } of resource.attributes) value.stringValue += evil;
      for (const span of scopeSpans[0]?.spans ?? []) {
        span.name = `"${evil}`;
        span.attributes = [{ key: evil, value: { stringValue: evil } }];
      }
    }
    await send(JSON.stringify(body));
    for (const path of [`/traces/${traceId}`, `/api/traces/${traceId}.html`, `/api/traces/${traceId}.mmd`]) {
      assert.doesNotMatch(await (await fetch(viewer.url + path)).text(), /<img/, path);
    }
  });

  it('exports a trace as a file without scripts', async () => {
    const traceId = await sendSample('signIn', 'exported', evening);
    const html = await (await fetch(`${viewer.url}/api/traces/${traceId}.html`)).text();
    assert.match(html, /class="drawing sequence".*class="drawing waterfall"/s);
    assert.doesNotMatch(html, /<script/);
  });

  it('tells an open page of a new trace', async () => {
    const stream = await fetch(`${viewer.url}/api/stream`, { signal: AbortSignal.timeout(5_000) });
    const traceId = await sendSample('signIn', 'streamed', evening);
    let text = '';
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(traceId)) break;
    }
    assert.match(text, /data: \{"changed":\[\{"traceId"/);
  });
});

describe('the address', () => {
  it('is served under local names only', async () => {
    assert.equal(await withHost('localhost:4318'), 200);
    assert.equal(await withHost('[::1]:4318'), 200);
    assert.equal(await withHost('evil.test'), 403);
    assert.equal(await withHost('localhost.evil.test'), 403);
    assert.equal(await withHost(['localhost:4318', 'evil.test']), 400, 'Node takes the first');
    assert.equal(await withHost('a b'), 400);
    assert.equal(await withHost('10.0.0.7:4318', '/livez'), 200);
  });

  it('knows its ways and says which methods they take', async () => {
    assert.equal((await fetch(`${viewer.url}/nothing`)).status, 404);
    assert.equal((await fetch(`${viewer.url}/api/traces/${'0'.repeat(32)}.html`)).status, 404);
    const wrong = await fetch(`${viewer.url}/v1/traces`);
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get('allow'), 'POST');
    assert.equal(await (await fetch(`${viewer.url}/livez`)).text(), 'alive\n');
  });

  it('forgets all on request', async () => {
    await sendSample('signIn', 'forgotten', evening);
    assert.equal((await fetch(`${viewer.url}/api/traces`, { method: 'DELETE' })).status, 204);
    assert.deepEqual(viewer.flows(), []);
  });
});
