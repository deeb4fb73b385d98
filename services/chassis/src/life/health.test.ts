import assert from 'node:assert/strict';
import { it } from 'node:test';
import { serve } from '../http/serve.ts';
import { createHealth } from './health.ts';

it('tells alive, started and ready apart through the life of a pod', async () => {
  const health = createHealth();
  await using server = await serve(health.handler, { port: 0, host: '127.0.0.1', drainMs: 0 });
  const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
  const states = async () => [await statusOf('/livez'), await statusOf('/startupz'), await statusOf('/readyz')];

  assert.deepEqual(await states(), [200, 503, 503], 'starting');
  const ready = health.ready(50);
  assert.deepEqual(await states(), [200, 200, 200], 'ready');
  const drained = ready[Symbol.asyncDispose]();
  assert.deepEqual(await states(), [200, 200, 503], 'draining');
  await drained;
  assert.deepEqual(await states(), [200, 200, 503], 'drained');
});

it('knows nothing else', async () => {
  await using server = await serve(createHealth().handler, { port: 0, host: '127.0.0.1', drainMs: 0 });
  for (const path of ['/', '/metrics', '/livez/', '/toString']) {
    assert.equal((await fetch(`http://127.0.0.1:${server.port}${path}`)).status, 404);
  }
});
