import type { Registry } from '@onbehalf/node/core/telemetry/measures';
import { context, diag, metrics, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import type { openCollector } from './collector.fake.ts';
import { createLogger } from './logger.ts';
import { startTelemetry } from './telemetry.ts';

type Collector = Awaited<ReturnType<typeof openCollector>>;
type Attribute = { key: string; value: { stringValue?: string } };
type SentSpan = { name: string; attributes: Attribute[] };
type SentMetric = {
  name: string;
  exponentialHistogram?: { aggregationTemporality: number };
  histogram?: { aggregationTemporality: number };
};

/** What the spans and metrics of a run are. */
type Work = {
  spans?: number;
  parentFlags?: number;
  attributes?: Record<string, string>;
  whileOpen?: () => Promise<void>;
};

const registry: Registry = {
  attributes: { 'test.text': { on: 'all', brief: 'a text' } },
  spans: {},
  metrics: { 'test.duration': { kind: 'histogram', unit: 's', brief: 'a duration', attributes: [], buckets: [1] } },
};

/**
 * Runs telemetry once in this process with these variables, does some work and closes it. Gives what the collector got
 * (read as far as it is JSON), what the log heard and what the start was refused with.
 */
export async function runOtel(variables: Record<string, string>, collector: Collector, work: Work = {}) {
  // biome-ignore lint/style/noProcessEnv: the SDK reads it itself
  const env = process.env;
  collector.received.length = 0;
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(
    { level: 'info', service: 'test-service' },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  Object.assign(env, variables);
  let refusal = '';
  let on = false;
  const startedAtMs = performance.now();
  try {
    const telemetry = await startTelemetry({ env, service: 'test-service', registry, logger });
    on = telemetry.on;
    doWork(work);
    await work.whileOpen?.();
    await telemetry[Symbol.asyncDispose]();
  } catch (error) {
    refusal = String(error);
  }
  const tookMs = performance.now() - startedAtMs;
  for (const name of Object.keys(variables)) delete env[name];
  for (const api of [trace, metrics, context, diag]) api.disable();
  const requests = collector.received.slice();
  const settings = lines.filter(({ event }) => event === 'telemetry.setting').map(({ setting }) => setting);
  return {
    on,
    refusal,
    requests,
    paths: requests.map(({ path }) => path).sort(),
    lines,
    settings,
    tookMs,
    ...parse(requests),
  };
}

function doWork({ spans = 1, parentFlags, attributes = {} }: Work): void {
  const parent = { traceId: 'f'.repeat(32), spanId: 'b'.repeat(16), isRemote: true };
  const above =
    parentFlags === undefined
      ? ROOT_CONTEXT
      : trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: parentFlags });
  for (let span = 0; span < spans; span += 1) {
    trace.getTracer('test').startSpan('GET /test', { kind: SpanKind.SERVER, attributes }, above).end();
  }
  metrics
    .getMeter('test')
    .createHistogram('test.duration', { advice: { explicitBucketBoundaries: [1] } })
    .record(0.5);
}

/** What came as JSON; the rest is left to the eye. */
function parse(requests: Collector['received']) {
  const resource: Record<string, string | undefined> = {};
  const spans: SentSpan[] = [];
  const sent: SentMetric[] = [];
  for (const { text, headers } of requests) {
    if (headers['content-type'] !== 'application/json') continue;
    const { resourceSpans = [], resourceMetrics = [] } = JSON.parse(text);
    for (const { resource: of, scopeSpans = [], scopeMetrics = [] } of [...resourceSpans, ...resourceMetrics]) {
      for (const { key, value } of of.attributes as Attribute[]) resource[key] = value.stringValue;
      for (const scope of scopeSpans) spans.push(...scope.spans);
      for (const scope of scopeMetrics) sent.push(...scope.metrics);
    }
  }
  return { resource, spans, histogram: sent.find(({ name }) => name === 'test.duration') };
}
