import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { Fault } from '../fault.ts';
import { spanTime } from './span-time.ts';

export const tracer = trace.getTracer('onbehalf');

/** The trace and span that the code now runs in; undefined without telemetry. */
export function activeSpan(): SpanContext | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active && isSpanContextValid(active) ? active : undefined;
}

/** For log lines: `trace_id` and `span_id`, or nothing. */
export function activeIds(): Record<string, string> {
  const active = activeSpan();
  return active ? { trace_id: active.traceId, span_id: active.spanId } : {};
}

/** The word for a failure on a span or metric: a Fault's code, else the kind of error. Never a message. */
export function errorType(error: unknown): string {
  return error instanceof Fault ? error.code : error instanceof Error ? error.name : 'error';
}

type SpanOptions = {
  kind?: SpanKind;
  attributes?: Attributes;
  links?: (SpanContext | undefined)[];
  /** The span that leads here; it is linked to this one. */
  cause?: Span | undefined;
};

/** Does a piece of work in a child span of the active one; without one, as in background work, without any. */
export function inSpan<T>(name: string, work: (span?: Span) => Promise<T>, options: SpanOptions = {}): Promise<T> {
  return activeSpan() ? spanned(name, context.active(), work, options) : work();
}

/** Does work that leaves a span only where it fails, made when it is over: what it calls is beside it. */
export async function inSpanIfFailed<T>(
  name: string,
  work: () => Promise<T>,
  { kind = SpanKind.INTERNAL, attributes = {} }: Pick<SpanOptions, 'kind' | 'attributes'> = {},
): Promise<T> {
  if (!activeSpan()) return await work();
  const [parent, startTime] = [context.active(), spanTime()];
  try {
    return await work();
  } catch (error) {
    const span = tracer.startSpan(name, { kind, attributes, startTime }, parent);
    failBy(span, error);
    span.end(spanTime());
    throw error;
  }
}

/** Does work that belongs to no trace of ours: its calls carry the trace id that they are given. */
export function outsideTrace<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/** Does work that nobody waits for in a trace of its own; it and what caused it are linked to each other. */
export async function inOwnTrace<T>(name: string, work: (span?: Span) => Promise<T>): Promise<T> {
  return await spanned(name, ROOT_CONTEXT, work, { links: [activeSpan()], cause: trace.getActiveSpan() });
}

async function spanned<T>(name: string, parent: Context, work: (span: Span) => Promise<T>, options: SpanOptions) {
  const { kind = SpanKind.INTERNAL, attributes = {}, links = [], cause } = options;
  const linked = links.flatMap((link) => (link ? [{ context: link }] : []));
  const span = tracer.startSpan(name, { kind, attributes, links: linked, startTime: spanTime() }, parent);
  cause?.addLink({ context: span.spanContext() });
  try {
    return await context.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (error) {
    failBy(span, error);
    throw error;
  } finally {
    span.end(spanTime());
  }
}

function failBy(span: Span, error: unknown): void {
  if (isExpected(error)) span.setAttribute('error.type', error.code);
  else fail(span, errorType(error));
}

/** A refusal that tells its caller what to do, as a 401 does, fails nothing: a stranger could fail every trace. */
function isExpected(error: unknown): error is Fault {
  return error instanceof Fault && !isTrouble(error.status);
}

/** A response that helps nobody. A 4xx is one to act on: consent to ask for, a token to renew. */
export function isTrouble(status = 0): boolean {
  return status >= 500 || status === 429;
}

/** Marks a span as failed. */
export function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}
