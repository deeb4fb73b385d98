import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turnEnd } from 'node:timers/promises';
import { type Registry, startMeasuring } from '@onbehalf/node/core/telemetry/measures';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  defaultResource,
  envDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources';
import {
  AggregationType,
  createAllowListAttributesProcessor,
  MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { watch } from '../signals.ts';
import { ExportReports } from './export-reports.ts';
import type { Logger } from './logger.ts';
import { serveMetrics } from './metrics-page.ts';
import { metricExporter, traceExporter } from './otel-exporters.ts';
import type { OtelSettings } from './otel-settings.ts';
import { toPrometheus } from './prometheus.ts';
import { GuardedSpanExporter } from './span-exporter.ts';
import { watchUndici } from './undici-spans.ts';

type SdkOptions = {
  env: NodeJS.ProcessEnv;
  service: string;
  registries: Registry[];
  settings: OtelSettings;
  logger: Logger;
};

/** How long a shutdown waits for what is left to be sent. */
const flushMs = 2_000;
const seriesPerInstrument = 200;

/**
 * Sets the process up for OpenTelemetry by its Node SDK, which reads samplers, batches, limits and the exporters' own
 * settings from the environment. No instrumentation is loaded: spans are made by hand. Once per process.
 */
export function startSdk({ env, service, registries, settings, logger }: SdkOptions): AsyncDisposable {
  const reports = new ExportReports(logger);
  reports.listen();
  reports.unusable(settings.unusable);
  // Would print the SDK's own words, which quote values, among the lines of the log.
  delete env.OTEL_LOG_LEVEL;

  const { traces, metrics, page } = settings;
  const spans = traces && new GuardedSpanExporter(traceExporter(traces, env), spanAttributes(registries), reports);
  const readers: MetricReader[] = [];
  if (metrics) readers.push(periodicReader(metricExporter(metrics, env), settings, reports));
  if (page) readers.push(pageReader());
  const sdk = new NodeSDK({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service })),
    resourceDetectors: [serviceInstanceIdDetector, envDetector],
    // Trace context goes to our own services only, by our own hand.
    textMapPropagator: null,
    logRecordProcessors: [],
    ...(spans ? { traceExporter: spans } : { spanProcessors: [] }),
    metricReaders: readers,
    views: viewsOf(registries, settings.exponentialHistograms),
  });
  sdk.start();
  watchUndici();
  if (readers.length > 0) {
    startMeasuring();
    watchRuntime();
  }
  return {
    async [Symbol.asyncDispose]() {
      // What this turn still has to tell.
      await turnEnd();
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, flushMs);
      await Promise.race([sdk.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
      spans?.abandon();
    },
  };
}

function periodicReader(
  exporter: PushMetricExporter,
  { exportIntervalMillis, exportTimeoutMillis }: OtelSettings,
  reports: ExportReports,
): MetricReader {
  // The reader itself tells that an export failed, not why.
  const exportMetrics = exporter.export.bind(exporter);
  exporter.export = (metrics, done) =>
    exportMetrics(metrics, (result) => {
      if (result.code === 0) reports.succeeded();
      else reports.failed(result.error, 0);
      done(result);
    });
  return new PeriodicExportingMetricReader({ exporter, exportIntervalMillis, exportTimeoutMillis });
}

class PullReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

function pageReader(): MetricReader {
  const reader = new PullReader();
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  serveMetrics(async () => toPrometheus(serializer, (await reader.collect()).resourceMetrics));
  return reader;
}

function spanAttributes(registries: Registry[]): ReadonlySet<string> {
  const all = registries.flatMap(({ attributes }) => Object.entries(attributes));
  return new Set(all.filter(([, { on }]) => on !== 'metrics').map(([name]) => name));
}

/** One view an instrument: no attribute but the registered, and never more series than that. */
function viewsOf(registries: Registry[], exponential: boolean): ViewOptions[] {
  return registries
    .flatMap((registry) => Object.entries(registry.metrics))
    .map(([instrumentName, { attributes, kind }]) => ({
      instrumentName,
      attributesProcessors: [createAllowListAttributesProcessor(attributes)],
      aggregationCardinalityLimit: seriesPerInstrument,
      // A view hides what the exporter prefers.
      ...(exponential && kind === 'histogram' && { aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }),
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
