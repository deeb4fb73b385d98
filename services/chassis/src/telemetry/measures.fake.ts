import { startMeasuring } from '@onbehalf/node/core/telemetry/measures';
import { metrics } from '@opentelemetry/api';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

type Point = { attributes: Record<string, string>; value: number | { count: number; sum?: number } };

class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

/** Has this process measure, as with telemetry; gives a way to read the points of every metric, once this turn has ended. */
export function recordMetrics(): () => Promise<Map<string, Point[]>> {
  const reader = new Reader();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  startMeasuring();
  return async () => {
    await new Promise(setImmediate);
    const { resourceMetrics } = await reader.collect();
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints as unknown as Point[]]));
  };
}
