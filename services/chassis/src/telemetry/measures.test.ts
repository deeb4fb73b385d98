import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import { createMeasures, type Registry, startMeasuring } from './measures.ts';

const registry = {
  attributes: {
    'test.kind': { on: 'metrics', brief: '', values: ['a', 'b'] },
    'test.open': { on: 'metrics', brief: '' },
  },
  spans: {},
  metrics: {
    'test.events': {
      kind: 'counter',
      unit: '{event}',
      brief: '',
      attributes: ['test.kind', 'onbehalf.result', 'test.open'],
    },
    'test.duration': { kind: 'histogram', unit: 's', brief: '', attributes: ['test.kind'] },
  },
} satisfies Registry;

class Reader extends MetricReader {
  readonly exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

async function collect(reader: Reader): Promise<Map<string, { attributes: object; value: unknown }[]>> {
  const { resourceMetrics } = await reader.collect();
  const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  return new Map(all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]));
}

describe('what is measured', () => {
  it('counts from 0 when telemetry starts, for each combination of the closed values, and only counters do', async () => {
    const reader = new Reader();
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
    const { measure } = createMeasures(registry);
    startMeasuring();
    measure('test.events', 1, { 'test.kind': 'b', 'onbehalf.result': 'ok' });
    // A registry that is named once telemetry is up begins at once.
    createMeasures({ ...registry, metrics: { 'test.late': { ...registry.metrics['test.events'], attributes: [] } } });
    await new Promise(setImmediate);
    const seen = await collect(reader);
    assert.deepEqual(
      seen.get('test.events')?.map(({ attributes, value }) => [...Object.values(attributes), value].join(' ')),
      ['a ok 0', 'a failed 0', 'b ok 1', 'b failed 0'],
    );
    assert.deepEqual(
      seen.get('test.late')?.map(({ value }) => value),
      [0],
    );
    assert.equal(seen.has('test.duration'), false);
  });
});
