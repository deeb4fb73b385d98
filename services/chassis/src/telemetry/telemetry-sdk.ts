import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turnEnd } from 'node:timers/promises';
import { type Registry, startMeasuring } from '@onbehalf/node/core/telemetry/measures';
import { context, DiagLogLevel, diag, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  createAllowListAttributesProcessor,
  MeterProvider,
  MetricReader,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { allowOnly } from '../config/allow-list.ts';
import { watch } from '../signals.ts';
import { createLogger } from './logger.ts';
import { serveMetrics } from './metrics-page.ts';
import { toPrometheus } from './prometheus.ts';
import { samplerOf } from './sampler.ts';
import { watchUndici } from './undici-spans.ts';

type SdkOptions = { env: NodeJS.ProcessEnv; service: string; registries: Registry[] };

const flushMs = 2_000;
const complainEveryMs = 60_000;
const seriesPerInstrument = 200;
/** An export that is late is lost, its retries included; the next is tried. */
const exportTimeoutMs = 2_000;
/** About 20 MB of spans: what a collector's absence may cost. */
const queueSpans = 8_192;

/** Sets the process up for OpenTelemetry. Once per process. */
export function startSdk({ env, service, registries }: SdkOptions): AsyncDisposable {
  complainSeldom(service);
  const resource = resourceFromAttributes({ 'service.name': service }).merge(
    detectResources({ detectors: [envDetector] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  watchUndici();

  // The exporters bring agents of their own, which know of a proxy only what they are told.
  const httpAgentOptions = { keepAlive: true, proxyEnv: env };
  const shutdowns: (() => Promise<void>)[] = [];
  const leaving = new AbortController();
  if (env.OTEL_EXPORTER_OTLP_ENDPOINT) {
    const exporter = allowOnly(
      spanAttributes(...registries),
      leaving.signal,
      new OTLPTraceExporter({ timeoutMillis: exportTimeoutMs, httpAgentOptions }),
    );
    const scheduledDelayMillis = Number(env.OTEL_BSP_SCHEDULE_DELAY) || 1_000;
    const processor = new BatchSpanProcessor(exporter, { maxQueueSize: queueSpans, scheduledDelayMillis });
    const provider = new BasicTracerProvider({ resource, sampler: samplerOf(env), spanProcessors: [processor] });
    trace.setGlobalTracerProvider(provider);
    shutdowns.push(() => provider.shutdown());
  }

  const readers: MetricReader[] = [];
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: metricsTo = 'otlp' } = env;
  if (endpoint && metricsTo !== 'none') {
    const exporter = new OTLPMetricExporter({ timeoutMillis: exportTimeoutMs, httpAgentOptions });
    const exportIntervalMillis = Number(env.OTEL_METRIC_EXPORT_INTERVAL) || 30_000;
    readers.push(
      new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis,
        exportTimeoutMillis: Math.min(exportTimeoutMs, exportIntervalMillis),
      }),
    );
  }
  if (env.METRICS_ENABLED === 'true') {
    const reader = new PullReader();
    const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
    serveMetrics(async () => toPrometheus(serializer, (await reader.collect()).resourceMetrics));
    readers.push(reader);
  }
  const provider = new MeterProvider({ resource, readers, views: viewsOf(...registries) });
  metrics.setGlobalMeterProvider(provider);
  shutdowns.push(() => provider.shutdown());
  startMeasuring();
  watchRuntime();

  return {
    async [Symbol.asyncDispose]() {
      // What this turn still has to tell.
      await turnEnd();
      const late = setTimeout(() => leaving.abort(), flushMs);
      await Promise.allSettled(shutdowns.map((shutdown) => shutdown()));
      clearTimeout(late);
    },
  };
}

class PullReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

function spanAttributes(...registries: Registry[]): ReadonlySet<string> {
  const all = registries.flatMap(({ attributes }) => Object.entries(attributes));
  return new Set(all.filter(([, { on }]) => on !== 'metrics').map(([name]) => name));
}

/** One view an instrument: no attribute but the registered, and never more series than that. */
function viewsOf(...registries: Registry[]) {
  return registries
    .flatMap((registry) => Object.entries(registry.metrics))
    .map(([instrumentName, { attributes }]) => ({
      instrumentName,
      attributesProcessors: [createAllowListAttributesProcessor(attributes)],
      aggregationCardinalityLimit: seriesPerInstrument,
    }));
}

function watchRuntime(): void {
  const delay = monitorEventLoopDelay();
  delay.enable();
  watch('nodejs.eventloop.delay.p99', () => {
    const seconds = delay.percentile(99) / 1e9;
    delay.reset();
    return seconds;
  });
  let last = performance.eventLoopUtilization();
  watch('nodejs.eventloop.utilization', () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  });
  watch('v8js.memory.heap.used', () => process.memoryUsage().heapUsed);
}

/** An exporter that fails says so at every batch; one line a minute is enough, and its own words may quote anything. */
function complainSeldom(service: string): void {
  const logger = createLogger({ level: 'warn', service });
  let saidAtMs = Number.NEGATIVE_INFINITY;
  const complain = () => {
    if (performance.now() - saidAtMs < complainEveryMs) return;
    saidAtMs = performance.now();
    logger.warn({ event: 'telemetry.failed' }, 'telemetry cannot be sent; nothing else is affected');
  };
  const silent = () => {};
  diag.setLogger({ error: complain, warn: complain, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
}
