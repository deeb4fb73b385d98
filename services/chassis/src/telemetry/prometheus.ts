import type { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** What an OTLP collector appends to a name for its unit ("OTLP Metric points to Prometheus" in the OTel spec). */
const suffixes: Record<string, string> = { s: 'seconds', By: 'bytes', '1': 'ratio' };

/**
 * Metrics in Prometheus' text format under the same names that a collector makes of OTLP: unit and `_total` suffixes.
 * The serializer itself leaves the unit out.
 */
export function toPrometheus(serializer: PrometheusSerializer, resourceMetrics: ResourceMetrics): string {
  const scopeMetrics = resourceMetrics.scopeMetrics.map((scope) => ({
    ...scope,
    metrics: scope.metrics.map(withUnit),
  }));
  return serializer.serialize({ ...resourceMetrics, scopeMetrics });
}

function withUnit(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  const suffix = suffixes[unit];
  // A ratio's suffix is for gauges, the only kind that has the unit 1 here.
  return suffix ? { ...metric, descriptor: { ...metric.descriptor, name: `${name}.${suffix}` } } : metric;
}

/** A metric's name in Prometheus, histograms without their `_bucket`, `_sum` and `_count`. */
export function prometheusName(name: string, { kind, unit }: { kind: string; unit: string }): string {
  const suffix = suffixes[unit] ? `_${suffixes[unit]}` : '';
  return `${name.replaceAll('.', '_')}${suffix}${kind === 'counter' ? '_total' : ''}`;
}
