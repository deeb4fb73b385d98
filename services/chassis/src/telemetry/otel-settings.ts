import { parseConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import { flag } from '../config/config.ts';

const protocols = ['http/protobuf', 'http/json', 'grpc'] as const;
export type Protocol = (typeof protocols)[number];

/** What of `OTEL_*` is decided here. What is not here the SDK reads itself. */
export type OtelSettings = {
  /** How spans go out; undefined where they do not. */
  traces: Protocol | undefined;
  metrics: Protocol | undefined;
  /** Whether `/metrics` of the admin port has a page for Prometheus. */
  page: boolean;
  exponentialHistograms: boolean;
  exportIntervalMillis: number;
  exportTimeoutMillis: number;
  /** Settings that could not be used: the specification's default is in their place. */
  unusable: string[];
};

/** The specification reads enumerations whatever their case; the SDK compares letter by letter. */
const enumerations = /^OTEL_(?:TRACES_SAMPLER|EXPORTER_OTLP_(?:(?:TRACES|METRICS)_)?(?:PROTOCOL|COMPRESSION))$/;

const word = z.string().trim().toLowerCase();
const wordList = word.transform((value) => value.split(/[\s,]+/).filter(Boolean));

/** A list that must not name what we do not support; an unknown word is none of them. */
const without = (reason: string, ...refused: string[]) =>
  wordList.refine((list) => !list.some((one) => refused.includes(one)), reason).optional();

const never = (reason: string) => z.never(reason).optional();
const url = z.string().trim();

const schema = z
  .object({
    METRICS_ENABLED: flag.optional(),
    OTEL_TRACES_EXPORTER: without(
      'must be otlp or none: standard output belongs to the log, and a collector speaks everything else',
      ...['console', 'logging', 'otlp/stdout', 'zipkin', 'jaeger'],
    ),
    OTEL_METRICS_EXPORTER: without(
      'must be otlp or none: METRICS_ENABLED=true serves a page for Prometheus on the admin port',
      ...['console', 'logging', 'otlp/stdout', 'prometheus'],
    ),
    OTEL_LOGS_EXPORTER: word.optional(),
    OTEL_TRACES_SAMPLER: word
      .refine(
        (name) => !/^(?:parentbased_)?jaeger_remote$|^xray$/.test(name),
        'must be a sampler of OpenTelemetry itself',
      )
      .optional(),
    OTEL_PROPAGATORS: wordList
      .refine((list) => list.includes('tracecontext'), 'must name tracecontext: our services speak nothing else')
      .optional(),
    OTEL_CONFIG_FILE: never('is not supported: set the variables of OpenTelemetry instead'),
    OTEL_EXPERIMENTAL_CONFIG_FILE: never('is not supported: set the variables of OpenTelemetry instead'),
    OTEL_EXPORTER_OTLP_PROTOCOL: word.optional(),
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: word.optional(),
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: word.optional(),
    OTEL_EXPORTER_OTLP_ENDPOINT: url.optional(),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url.optional(),
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url.optional(),
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: word.optional(),
    OTEL_METRIC_EXPORT_INTERVAL: z.string().optional(),
    OTEL_METRIC_EXPORT_TIMEOUT: z.string().optional(),
  })
  .superRefine((env, context) => {
    const exponential = env.OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION === exponentialName;
    if (exponential && env.METRICS_ENABLED) {
      const path = ['OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION'];
      context.addIssue({
        code: 'custom',
        path,
        message: "must be unset with METRICS_ENABLED: Prometheus' page needs buckets",
      });
    }
    for (const signal of ['TRACES', 'METRICS'] as const) {
      if (protocolOf(env, signal) === 'grpc') continue;
      for (const name of [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const) {
        const value = env[name];
        if (value === undefined || /^https?:$/.test(URL.parse(value)?.protocol ?? '')) continue;
        context.addIssue({ code: 'custom', path: [name], message: 'must be an http or https URL' });
      }
    }
  });

type Env = z.output<typeof schema>;

const exponentialName = 'base2_exponential_bucket_histogram';
const off = { traces: undefined, metrics: undefined, page: false };

/**
 * Reads `OTEL_*` as OpenTelemetry's specification has it ("Environment Variable Specification", "OpenTelemetry Protocol
 * Exporter"), with one difference: without any endpoint nothing is exported unless `OTEL_…_EXPORTER` names `otlp`.
 * Enumerations in `env` are written small, since the SDK reads it too.
 * @throws ConfigError for what is well-formed and not supported here: better no start than other telemetry than asked for.
 */
export function readOtel(env: NodeJS.ProcessEnv): OtelSettings {
  const unusable: string[] = [];
  const defaults = {
    exponentialHistograms: false,
    exportIntervalMillis: 60_000,
    exportTimeoutMillis: 30_000,
    unusable,
  };
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return { ...off, ...defaults };
  for (const name of Object.keys(env)) if (enumerations.test(name)) env[name] = env[name]?.trim().toLowerCase();
  const parsed = parseConfig(schema, env);

  const known = <T extends string>(name: keyof Env, words: readonly T[]): T | undefined => {
    const given = parsed[name];
    const found = words.find((one) => one === given);
    if (given !== undefined && found === undefined) unusable.push(name);
    return found;
  };
  const milliseconds = (name: keyof Env): number | undefined => {
    const given = parsed[name];
    const value = Number(given);
    if (given === undefined || value > 0) return given === undefined ? undefined : value;
    unusable.push(name);
    return undefined;
  };
  // Logs go to standard output; a platform may set this for every pod.
  if (parsed.OTEL_LOGS_EXPORTER && parsed.OTEL_LOGS_EXPORTER !== 'none') unusable.push('OTEL_LOGS_EXPORTER');
  const protocol = known('OTEL_EXPORTER_OTLP_PROTOCOL', protocols) ?? 'http/protobuf';
  const signal = (name: 'TRACES' | 'METRICS'): Protocol | undefined => {
    const exporters = parsed[`OTEL_${name}_EXPORTER`] ?? [];
    if (exporters.includes('none')) return undefined;
    if (exporters.some((one) => one !== 'otlp')) unusable.push(`OTEL_${name}_EXPORTER`);
    const endpoint = parsed[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`] ?? parsed.OTEL_EXPORTER_OTLP_ENDPOINT;
    if (endpoint === undefined && !exporters.includes('otlp')) return undefined;
    return known(`OTEL_EXPORTER_OTLP_${name}_PROTOCOL`, protocols) ?? protocol;
  };
  const histograms = known('OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', [
    ...['explicit_bucket_histogram', exponentialName],
  ]);
  const intervalMs = milliseconds('OTEL_METRIC_EXPORT_INTERVAL') ?? defaults.exportIntervalMillis;
  const timeoutMs = milliseconds('OTEL_METRIC_EXPORT_TIMEOUT') ?? defaults.exportTimeoutMillis;
  return {
    traces: signal('TRACES'),
    metrics: signal('METRICS'),
    page: parsed.METRICS_ENABLED ?? false,
    exponentialHistograms: histograms === exponentialName,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
    unusable,
  };
}

function protocolOf(env: Env, signal: 'TRACES' | 'METRICS'): string | undefined {
  return env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] ?? env.OTEL_EXPORTER_OTLP_PROTOCOL;
}
