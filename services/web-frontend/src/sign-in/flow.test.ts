import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordMetrics } from '@onbehalf/chassis/telemetry/measures.fake';
import type { FoundLogin } from '../session/logins.ts';
import { flowReturns } from './flow.ts';

describe('a flow', () => {
  it('is timed at Entra ID and here, also where metrics are on and traces are not', async () => {
    const collect = recordMetrics();
    const flow = flowReturns();
    const login = { scopes: [] } as unknown as FoundLogin['login'];
    flow.from({ login, startedAtMs: Date.now() - 5_000, carried: undefined });
    flow.end('success');
    const points = (await collect()).get('onbehalf.flow.duration') ?? [];
    const sums = new Map(points.map(({ attributes, value }) => [attributes['onbehalf.flow.part'], Object(value).sum]));
    assert.deepEqual([...sums.keys()], ['idp_wait', 'ours']);
    assert.ok((sums.get('idp_wait') ?? 0) >= 5 && (sums.get('idp_wait') ?? 0) < 60);
  });
});
