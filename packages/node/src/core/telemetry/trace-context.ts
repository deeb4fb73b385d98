import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createTraceState, type SpanContext } from '@opentelemetry/api';
import { activeSpan } from './tracing.ts';

/** Ids of zeros only are invalid. A version after 00 may add parts: they are not ours to read. */
const traceparentShape = /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The trace id (32 hex digits) that an internal caller sent in `traceparent` (W3C Trace Context), else a fresh one. */
export function traceIdOf(headers: IncomingHttpHeaders): string {
  return spanContextOf(headers.traceparent)?.traceId ?? newTraceId();
}

/** The trace id of the request that is being served; a fresh one where no telemetry gave it any. */
export function newTraceId(): string {
  return activeSpan()?.traceId ?? randomId();
}

let pool = '';
let spent = 0;

/** 16 random bytes in hex; drawn many at a time, because every request wants some. */
function randomId(): string {
  if (spent === pool.length) {
    pool = randomBytes(4_096).toString('hex');
    spent = 0;
  }
  spent += 32;
  return pool.slice(spent - 32, spent);
}

/**
 * The span that a `traceparent` names, with the vendors' `tracestate` beside it; undefined if it names none. Of a version
 * that is not known yet all is read that 00 has (W3C Trace Context section 3.2).
 */
export function spanContextOf(traceparent: unknown, tracestate?: unknown): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] =
    (typeof traceparent === 'string' && traceparentShape.exec(traceparent)) || [];
  if (!traceId || !spanId || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  const traceState = typeof tracestate === 'string' && tracestate !== '' ? createTraceState(tracestate) : undefined;
  const traceFlags = Number.parseInt(flags ?? '0', 16) & 1;
  return { traceId, spanId, traceFlags, isRemote: true, ...(traceState && { traceState }) };
}

/** The headers that carry a span to another service of ours. */
export function contextHeaders(span: SpanContext): Record<string, string> {
  const tracestate = span.traceState?.serialize();
  return { traceparent: traceparentOfSpan(span), ...(tracestate && { tracestate }) };
}

export function traceparentOfSpan({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
}

/** A `traceparent` for a call to another of our services. */
export function traceparentOf(traceId: string): string {
  return `00-${traceId}-${randomId().slice(16)}-00`;
}

/** A trace id as the GUID that Entra's `client-request-id` and MSAL's `correlationId` take: 8-4-4-4-12. */
export function toGuid(traceId: string): string {
  return traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The trace id that such a GUID is; undefined for .NET's empty one, which says that there is none. */
export function toTraceId(guid: string): string | undefined {
  return /[1-9a-f]/i.test(guid) ? guid.replaceAll('-', '').toLowerCase() : undefined;
}
