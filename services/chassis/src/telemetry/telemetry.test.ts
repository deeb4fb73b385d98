import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createMeasures, measure as measureOfPackage, type Registry } from '@onbehalf/node/core/telemetry/measures';
import { describeRequest } from '@onbehalf/node/core/telemetry/request-facts';
import { signals } from '@onbehalf/node/core/telemetry/signals';
import { pino } from 'pino';
import { serve } from '../http/serve.ts';
import { createHealth } from '../life/health.ts';
import chassis from '../signals.json' with { type: 'json' };
import { prometheusName } from './prometheus.ts';
import { observed } from './server-span.ts';
import { startTelemetry } from './telemetry.ts';

const registry: Registry = {
  attributes: { 'test.kind': { on: 'all', brief: 'a kind' } },
  spans: {},
  metrics: {
    'test.taken': { kind: 'counter', unit: '{thing}', brief: 'things taken', attributes: ['test.kind'] },
    'test.weight': { kind: 'gauge', unit: 'By', brief: 'a weight', attributes: [] },
  },
};

const listen = { port: 0, host: '127.0.0.1', drainMs: 100 };
const bodies: Record<string, string> = {};
const collector = createServer(async (req, res) => {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  bodies[req.url ?? ''] = (bodies[req.url ?? ''] ?? '') + Buffer.concat(chunks).toString('latin1');
  res.end();
});

let page = '';
before(async () => {
  await new Promise<void>((resolve) => void collector.listen(0, '127.0.0.1', resolve));
  const OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  // biome-ignore lint/style/noProcessEnv: the exporters read it themselves
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = OTEL_EXPORTER_OTLP_ENDPOINT;
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT, METRICS_ENABLED: 'true' };
  const telemetry = await startTelemetry({ env, service: 'test-service', registry, logger: pino({ level: 'silent' }) });
  const own = createMeasures(registry);
  own.watch('test.weight', () => 7);
  own.measure('test.taken', 2, { 'test.kind': 'good', 'test.canary': 'canary-label' });
  measureOfPackage('onbehalf.jwks.refresh', 1, { 'onbehalf.result': 'ok' });
  const listener = observed((_req, res) => {
    describeRequest({ 'test.kind': 'good', 'url.query': 'canary-query', 'exception.message': 'canary-message' });
    res.end();
  });
  await using server = await serve(listener, listen);
  await (await fetch(`http://127.0.0.1:${server.port}/canary-path?code=canary-code`)).text();
  await using admin = await serve(createHealth().handler, listen);
  page = await (await fetch(`http://127.0.0.1:${admin.port}/metrics`)).text();
  await telemetry[Symbol.asyncDispose]();
});
after(() => collector.close());

describe('telemetry', () => {
  it('loads no SDK unless it is asked for', () => {
    const script = `
      import { Module } from 'node:module';
      import { startTelemetry } from './services/chassis/src/telemetry/telemetry.ts';
      await startTelemetry({ env: {}, service: 'test', registry: {} });
      const loaded = Object.keys(Module._cache).filter((path) => /opentelemetry.(sdk|exporter)/.test(path));
      console.log(loaded.length);`;
    const root = new URL('../../../../', import.meta.url);
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
    assert.equal(stdout.toString().trim(), '0', stderr.toString());
  });

  it('sends spans with their registered attributes, and what is left when it closes', () => {
    const spans = bodies['/v1/traces'] ?? '';
    for (const word of ['test-service', 'http.request.method', 'test.kind']) assert.ok(spans.includes(word), word);
  });

  it('lets nothing else out: no other attribute, path, query or message', () => {
    for (const [path, body] of Object.entries(bodies)) assert.doesNotMatch(body, /canary|url\.|exception/, path);
    assert.doesNotMatch(page, /canary/);
  });

  it('sends metrics under the names that the page for Prometheus has', () => {
    const sent = bodies['/v1/metrics'] ?? '';
    for (const [name, metric] of Object.entries({ ...registry.metrics, ...signals.metrics, ...chassis.metrics })) {
      if (!sent.includes(name)) continue;
      assert.match(page, new RegExp(`^# TYPE ${prometheusName(name, metric)} `, 'm'));
    }
    assert.match(page, /^test_taken_total\{test_kind="good"\} 2$/m);
    assert.match(page, /^test_weight_bytes 7$/m);
    assert.match(page, /^http_server_request_duration_seconds_bucket\{.*le="0.0005"\}/m);
  });
});
