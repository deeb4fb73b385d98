import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { json, Router, urlencoded } from 'express';
import { createLogger } from '../telemetry/logger.ts';
import { createApp, onlyMethods, type RenderFault } from './http.ts';
import { serve } from './serve.ts';

/** Serves the routes, asks once, gives the response and what was logged and printed. */
async function ask(routes: Router, path: string, init: RequestInit = {}, renderFault?: RenderFault) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'debug', service: 'test' }, { write: (line) => lines.push(line) });
  const app = createApp({ logger, routes, ...(renderFault && { renderFault }) });
  await using server = await serve(app, { port: 0, host: '127.0.0.1', drainMs: 0 });
  const res = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { status: res.status, headers: res.headers, text: await res.text(), lines };
}

const routes = Router();
routes.get('/ok', (_req, res) => void res.json({ ok: true }));
routes.get('/item/:id', (req, res) => void res.json(req.params));
routes.all('/ok', onlyMethods('GET', 'HEAD'));
routes.post('/json', json({ limit: 100 }), (req, res) => void res.json(req.body));
routes.post('/form', urlencoded({ extended: false, limit: 100 }), (req, res) => void res.json(req.body));
routes.get('/vendor', () => {
  throw Object.assign(new Error('canary'), { status: 400, statusCode: 400 });
});
routes.get('/ours', () => {
  throw new Fault('server_error', 'The canary is dead.', { cause: new Error('canary') });
});
routes.get('/busy', () => {
  throw new Fault('throttled', 'Later.', { retryAfterSeconds: 1.2 });
});

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const post = (body: string, type: string): RequestInit => ({
  method: 'POST',
  body,
  headers: { 'Content-Type': type },
});

const rows: [what: string, path: string, init: RequestInit, status: number, error: string][] = [
  ['an unknown address', '/nothing', {}, 404, 'not_found'],
  ['a broken escape in a path', '/item/%E0%A4%A', {}, 400, 'invalid_request'],
  ['a wrong method', '/ok', { method: 'DELETE' }, 405, 'method_not_allowed'],
  ['broken JSON', '/json', post('{', 'application/json'), 400, 'invalid_request'],
  ['a body over the limit', '/json', post(`"${'a'.repeat(200)}"`, 'application/json'), 413, 'invalid_request'],
  ['a charset nobody has', '/form', post('a=b', `${form['Content-Type']}; charset=x`), 415, 'invalid_request'],
  [
    'an encoding nobody has',
    '/form',
    { ...post('a', form['Content-Type']), headers: { ...form, 'Content-Encoding': 'x' } },
    415,
    'invalid_request',
  ],
  ['an error of a vendor that has a status', '/vendor', {}, 500, 'server_error'],
  ['our own trouble', '/ours', {}, 500, 'server_error'],
  ['a throttled call', '/busy', {}, 429, 'temporarily_unavailable'],
];

describe('createApp', () => {
  for (const [what, path, init, status, error] of rows) {
    it(`responds to ${what} with ${status} ${error}, uncached, saying nothing of the inside`, async () => {
      const response = await ask(routes, path, init);
      assert.equal(response.status, status);
      assert.equal(JSON.parse(response.text).error, error);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.ok(!response.text.includes('canary'), response.text);
      assert.match(JSON.parse(response.text).trace_id, /^[0-9a-f]{32}$/);
      assert.equal(response.lines.length, 1);
    });
  }

  it('says when to come back and which methods it takes', async () => {
    assert.equal((await ask(routes, '/busy')).headers.get('retry-after'), '2');
    assert.equal((await ask(routes, '/ok', { method: 'POST' })).headers.get('allow'), 'GET, HEAD');
  });

  it('responds to HEAD as to GET, and OPTIONS with what is allowed', async () => {
    assert.deepEqual([(await ask(routes, '/ok', { method: 'HEAD' })).status], [200]);
    const options = await ask(routes, '/json', { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [200, 'POST']);
    assert.equal((await ask(routes, '/ok', { method: 'OPTIONS' })).status, 405);
  });

  it('logs the trace id that a caller sent', async () => {
    const id = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${id}-b7ad6b7169203331-01` };
    const { text, lines } = await ask(routes, '/nothing?code=canary', { headers });
    assert.equal(JSON.parse(text).trace_id, id);
    assert.equal(JSON.parse(lines[0] ?? '').trace_id, id);
    assert.ok(!lines.join('').includes('canary'));
  });

  it('responds plainly and prints nothing if a fault page breaks', async () => {
    const printed: unknown[] = [];
    const { error } = console;
    console.error = (...args) => printed.push(args);
    try {
      const { status, text } = await ask(routes, '/nothing', {}, () => {
        throw new Error('canary');
      });
      assert.equal(status, 404);
      assert.equal(JSON.parse(text).error, 'not_found');
    } finally {
      console.error = error;
    }
    assert.deepEqual(printed, []);
  });

  it('cuts a response that breaks half-way, and prints nothing', async () => {
    const printed: unknown[] = [];
    const { error } = console;
    console.error = (...args) => printed.push(args);
    const half = Router();
    half.get('/broken', (_req, res) => {
      res.write('half');
      throw new Error('canary');
    });
    try {
      await assert.rejects(ask(half, '/broken'));
    } finally {
      console.error = error;
    }
    assert.deepEqual(printed, []);
  });
});
