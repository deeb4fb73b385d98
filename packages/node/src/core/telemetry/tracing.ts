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

type SpanOptions = { kind?: SpanKind; attributes?: Attributes; links?: (SpanContext | undefined)[] };

/** Does a piece of work in a child span of the active one; without one, as in background work, without any. */
export function inSpan<T>(name: string, work: (span?: Span) => Promise<T>, options: SpanOptions = {}): Promise<T> {
  return activeSpan() ? spanned(name, context.active(), work, options) : work();
}

/** Does work that nobody waits for in a trace of its own, linked to what caused it. */
export async function inOwnTrace<T>(name: string, work: (span?: Span) => Promise<T>): Promise<T> {
  return await spanned(name, ROOT_CONTEXT, work, { links: [activeSpan()] });
}

async function spanned<T>(name: string, parent: Context, work: (span: Span) => Promise<T>, options: SpanOptions) {
  const { kind = SpanKind.INTERNAL, attributes = {}, links = [] } = options;
  const linked = links.flatMap((link) => (link ? [{ context: link }] : []));
  const span = tracer.startSpan(name, { kind, attributes, links: linked }, parent);
  try {
    return await context.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (error) {
    fail(span, errorType(error));
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed. */
export function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}
