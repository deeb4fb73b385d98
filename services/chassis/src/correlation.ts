import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Ids of zeros only are invalid. */
const traceparentShape = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace id (32 hex digits) that an internal caller sent in `traceparent` (W3C Trace Context), else a fresh one. */
export function traceIdOf(headers: IncomingHttpHeaders): string {
  const value = headers.traceparent;
  return (typeof value === 'string' && traceparentShape.exec(value)?.[1]) || newTraceId();
}

export function newTraceId(): string {
  return randomBytes(16).toString('hex');
}

/** A `traceparent` for a call to another of our services. */
export function traceparentOf(traceId: string): string {
  return `00-${traceId}-${randomBytes(8).toString('hex')}-00`;
}

/** A trace id as the GUID that Entra's `client-request-id` and MSAL's `correlationId` take: 8-4-4-4-12. */
export function toGuid(traceId: string): string {
  return traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
