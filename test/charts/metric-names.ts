import { prometheusName } from '@onbehalf/chassis/telemetry/prometheus';
import { allSignals } from '../../tools/signals/signals.ts';

/** Of redis_exporter and of Prometheus itself: what a cluster's monitoring brings along. */
const foreign = [
  'redis_memory_used_bytes',
  'redis_memory_max_bytes',
  'redis_evicted_keys_total',
  'redis_connected_clients',
  'up',
];

/** Every metric name that a query may use. */
export function prometheusNames(): Set<string> {
  const names = Object.entries(allSignals().metrics).flatMap(([name, metric]) => {
    const base = prometheusName(name, metric);
    return metric.kind === 'histogram' ? [`${base}_bucket`, `${base}_sum`, `${base}_count`] : [base];
  });
  return new Set([...names, ...foreign]);
}

/** The label names that series have: our attributes, and what Prometheus and Kubernetes add. */
export function labelNames(): Set<string> {
  const own = Object.keys(allSignals().attributes).map((name) => name.replaceAll('.', '_'));
  return new Set([...own, 'le', 'job', 'instance', 'pod', 'namespace']);
}

/** The words of a query that would have to be metrics or labels, and are neither. */
export function unknownMetrics(expr: string): string[] {
  const words =
    expr
      .replace(/"[^"]*"/g, '""')
      .replace(/\$\w+/g, '')
      .match(/[a-z][a-z0-9_]{3,}/gi) ?? [];
  const names = prometheusNames();
  const labels = labelNames();
  return words.filter(
    (word) =>
      word.includes('_') &&
      !names.has(word) &&
      !labels.has(word) &&
      !['histogram_quantile', 'present_over_time'].includes(word),
  );
}
