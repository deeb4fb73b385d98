import { secondsSince } from '@onbehalf/node/core/telemetry/measures';
import { errorType, fail, inSpan } from '@onbehalf/node/core/telemetry/tracing';
import type { Span } from '@opentelemetry/api';
import { measure } from '../signals.ts';
import type { EntraGrant, Refusal } from './entra-errors.ts';
import type { Wire } from './msal-http.ts';

/** Refusals that are no failure of the span: the person has to act. */
const expected = new Set<Refusal['class']>(['interaction', 'consent', 'sign_in']);

/** Runs one operation in a span and measures it. The response comes from `wire`, since MSAL drops most of it. */
export async function inEntraSpan<T>(
  grant: EntraGrant,
  credential: string,
  wire: Wire,
  run: () => Promise<T>,
): Promise<T> {
  const attributes = { 'onbehalf.grant': grant, 'onbehalf.credential': credential };
  const startedAtMs = performance.now();
  const outcome = await inSpan(
    'token.idp.request',
    async (span) => {
      const [settled] = await Promise.allSettled([run()]);
      if (span) describeOutcome(span, wire, settled);
      return settled;
    },
    { attributes },
  );
  const { refusal } = wire;
  const measured = { ...attributes, 'onbehalf.entra.class': refusal?.class ?? 'ok' };
  measure('onbehalf.entra.request.duration', secondsSince(startedAtMs), measured);
  if (refusal && !refusal.known) measure('onbehalf.entra.unclassified', 1, { 'onbehalf.grant': grant });
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

function describeOutcome(span: Span, { refusal, requestId }: Wire, outcome: PromiseSettledResult<unknown>): void {
  const [code] = refusal?.members.error_codes ?? [];
  span.setAttributes({
    'onbehalf.entra.class': refusal?.class ?? 'ok',
    ...(code !== undefined && { 'onbehalf.entra.error_code': code }),
    ...(requestId !== undefined && { 'onbehalf.entra.request_id': requestId }),
  });
  if (outcome.status === 'rejected' && !(refusal && expected.has(refusal.class))) {
    fail(span, refusal?.class ?? errorType(outcome.reason));
  }
}
