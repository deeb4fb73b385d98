import { secondsSince } from '@onbehalf/node/core/telemetry/measures';
import { describeRequest } from '@onbehalf/node/core/telemetry/request-facts';
import { inSpan } from '@onbehalf/node/core/telemetry/tracing';
import type { SpanContext } from '@opentelemetry/api';
import { measure } from '../signals.ts';

/** Waits for the flight of another request, in a span that is linked to that request if it is known. */
export async function waiting<T>(
  where: 'process' | 'cluster',
  flight: () => Promise<T>,
  leader?: SpanContext,
): Promise<T> {
  const startedAtMs = performance.now();
  const attributes = { 'onbehalf.wait.where': where };
  const done = (outcome: string) =>
    measure('onbehalf.token.lease.wait.duration', secondsSince(startedAtMs), {
      ...attributes,
      'onbehalf.wait.outcome': outcome,
    });
  describeRequest({ 'onbehalf.token.coalesced': true });
  try {
    const result = await inSpan('token.lease.wait', flight, { attributes, links: [leader] });
    done('woken');
    return result;
  } catch (error) {
    done('failed');
    throw error;
  }
}
