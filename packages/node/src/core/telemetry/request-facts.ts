import { type Attributes, context, createContextKey, type Span, type SpanContext } from '@opentelemetry/api';

/** Where a request's span belongs: below another span, or at the root of a trace of its own. */
export type Origin = { parent?: SpanContext | undefined };

/** What is known of a request that is being served. */
export type RequestFacts = {
  span: Span;
  method: string;
  startedAtMs: number;
  endedAtMs: number | undefined;
  route: string | undefined;
  errorType: string | undefined;
  attributes: Attributes;
};

export const factsKey = createContextKey('onbehalf.request');
/** Where no listener is observed, as without telemetry, there are no facts to look for. */
let observing = false;

/** From now on requests have facts. */
export function startObserving(): void {
  observing = true;
}

/** Says more of the request that the code now runs in, whatever span is active. */
export function describeRequest(attributes: Attributes): void {
  const facts = current();
  if (facts) Object.assign(facts.attributes, attributes);
}

/** Names the route of a request that Express does not serve. */
export function nameRoute(route: string): void {
  const facts = current();
  if (facts) facts.route = route;
}

/** Says by which Fault code the request fails. */
export function noteFailure(code: string): void {
  const facts = current();
  if (facts) facts.errorType = code;
}

/** Links the request to a span of an earlier trace. */
export function linkRequest(to: SpanContext): void {
  const { span } = current() ?? {};
  if (span && span.spanContext().traceId !== to.traceId) span.addLink({ context: to });
}

function current(): RequestFacts | undefined {
  return observing ? (context.active().getValue(factsKey) as RequestFacts | undefined) : undefined;
}
