import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { Fault } from '../../core/fault.ts';
import type { Log } from '../../core/log.ts';
import { secondsSince } from '../../core/telemetry/measures.ts';
import { describeRequest } from '../../core/telemetry/request-facts.ts';
import { spanTime } from '../../core/telemetry/span-time.ts';
import { errorType, tracer } from '../../core/telemetry/tracing.ts';
import type { FoundLogin, LoginStart } from '../session/logins.ts';
import { measure } from '../telemetry/signals.ts';
import type { RefusalReason } from './refusal-reason.ts';

type Outcome = 'success' | 'denied' | 'expired' | 'invalid' | 'failed';

/** Why a person is sent to Entra. */
export function kindOf({ claims, scopes }: Pick<LoginStart, 'claims' | 'scopes'>): 'sign_in' | 'consent' | 'step_up' {
  return claims !== undefined ? 'step_up' : scopes.length > 0 ? 'consent' : 'sign_in';
}

/** Records that a person is sent to Entra. */
export function flowStarts(start: LoginStart): void {
  const kind = kindOf(start);
  describeRequest({ 'onbehalf.flow.kind': kind });
  measure('onbehalf.flow.started', 1, { 'onbehalf.flow.kind': kind });
}

/** Records and logs how a person came back, once: the first outcome counts. */
export function flowReturns(logger: Log, traceId: string) {
  let sentAtMs: number | undefined;
  let trace_id = traceId;
  const startedAtMs = performance.now();
  let kind: ReturnType<typeof kindOf> = 'sign_in';
  let ended = false;
  return {
    /** The attempt they came back from, and when and where in the trace it left. */
    from({ login, startedAtMs: leftAtMs, carried }: FoundLogin): void {
      kind = kindOf(login);
      sentAtMs = leftAtMs;
      trace_id = login.traceId;
      const nowMs = Date.now();
      if (carried) {
        const above = trace.setSpanContext(ROOT_CONTEXT, carried.span);
        tracer.startSpan('auth.user_at_idp', { startTime: carried.atMs }, above).end(spanTime());
      }
      // Clocks of pods differ.
      const seconds = Math.max(0, nowMs - leftAtMs) / 1_000;
      measure('onbehalf.flow.duration', seconds, { 'onbehalf.flow.kind': kind, 'onbehalf.flow.part': 'idp_wait' });
    },
    /** `reason`: Entra's, where it refused. */
    end(outcome: Outcome, error?: unknown, reason?: RefusalReason): void {
      if (ended) return;
      ended = true;
      const facts = { 'onbehalf.flow.kind': kind, 'onbehalf.flow.outcome': outcome };
      describeRequest(facts);
      measure('onbehalf.flow.completed', 1, {
        ...facts,
        ...(error !== undefined && { 'error.type': errorType(error) }),
      });
      const part = { 'onbehalf.flow.kind': kind, 'onbehalf.flow.part': 'ours' };
      measure('onbehalf.flow.duration', secondsSince(startedAtMs), part);
      const duration_ms = sentAtMs === undefined ? undefined : Math.max(0, Date.now() - sentAtMs);
      if (outcome === 'success') {
        logger.info({ event: 'sign_in.completed', kind, duration_ms, trace_id });
        return;
      }
      const error_code = error === undefined ? undefined : errorType(error);
      const level = outcome === 'denied' || outcome === 'expired' ? 'info' : 'warn';
      logger[level]({ event: 'sign_in.failed', kind, outcome, error_code, ...reason, duration_ms, trace_id });
    },
  };
}

export type FlowReturn = ReturnType<typeof flowReturns>;

export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof Fault)) return 'failed';
  if (error.code === 'access_denied') return 'denied';
  return error.code === 'invalid_request' ? 'invalid' : 'failed';
}
