import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMeasures, type Registry } from '@onbehalf/node/core/telemetry/measures';
import { recordMetrics } from './measures.fake.ts';

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

describe('what is measured', () => {
  it('counts from 0 when telemetry starts, for each combination of the closed values, and only counters do', async () => {
    const { measure } = createMeasures(registry);
    const collect = recordMetrics();
    measure('test.events', 1, { 'test.kind': 'b', 'onbehalf.result': 'ok' });
    // A registry that is named once telemetry is up begins at once.
    createMeasures({ ...registry, metrics: { 'test.late': { ...registry.metrics['test.events'], attributes: [] } } });
    const seen = await collect();
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
