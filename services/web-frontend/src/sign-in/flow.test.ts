import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { recordMetrics } from '@onbehalf/chassis/telemetry/measures.fake';
import { Fault } from '@onbehalf/node/core/fault';
import type { FoundLogin } from '@onbehalf/node/web/session/logins';
import { flowReturns } from '@onbehalf/node/web/sign-in/flow';

describe('a flow', () => {
  it('is timed at Entra ID and here, also where metrics are on and traces are not', async () => {
    const collect = recordMetrics();
    const flow = flowReturns(createLogger({ level: 'silent', service: 'test' }), 'a'.repeat(32));
    const login = { scopes: [] } as unknown as FoundLogin['login'];
    flow.from({ login, startedAtMs: Date.now() - 5_000, carried: undefined });
    flow.end('success');
    const points = (await collect()).get('onbehalf.flow.duration') ?? [];
    const sums = new Map(points.map(({ attributes, value }) => [attributes['onbehalf.flow.part'], Object(value).sum]));
    assert.deepEqual([...sums.keys()], ['idp_wait', 'ours']);
    assert.ok((sums.get('idp_wait') ?? 0) >= 5 && (sums.get('idp_wait') ?? 0) < 60);
  });

  it('says in the log which kind it was, how it ended, why and how long it took', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger(
      { level: 'info', service: 'test' },
      { write: (line) => void lines.push(JSON.parse(line)) },
    );
    const login = { scopes: ['a'], traceId: 'b'.repeat(32) } as unknown as FoundLogin['login'];
    const back = () => {
      const flow = flowReturns(logger, 'a'.repeat(32));
      flow.from({ login, startedAtMs: Date.now() - 5_000, carried: undefined });
      return flow;
    };
    back().end('success');
    const reason = { class: 'interaction', refusal: 'invalid_grant', aadsts: [53003], correlation_id: 'c' };
    back().end('failed', new Fault('login_required', 'x'), reason);
    flowReturns(logger, 'a'.repeat(32)).end('expired');
    const told = lines.map(({ level, event, kind, outcome, error_code, aadsts, trace_id }) => [
      level,
      event,
      kind,
      outcome,
      error_code,
      aadsts,
      String(trace_id)[0],
    ]);
    assert.deepEqual(told, [
      ['info', 'sign_in.completed', 'consent', undefined, undefined, undefined, 'b'],
      ['warn', 'sign_in.failed', 'consent', 'failed', 'login_required', [53003], 'b'],
      ['info', 'sign_in.failed', 'sign_in', 'expired', undefined, undefined, 'a'],
    ]);
    assert.ok(Number(lines[0]?.duration_ms) >= 5_000);
  });
});
