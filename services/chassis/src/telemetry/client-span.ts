import { subscribe } from 'node:diagnostics_channel';
import { context, createContextKey, type Span, SpanKind } from '@opentelemetry/api';
import { traceparentOf, traceparentOfSpan } from './correlation.ts';
import { measure, secondsSince } from './measures.ts';
import { activeSpan, errorType, fail, tracer } from './tracing.ts';

const oursKey = createContextKey('onbehalf.ours');

/**
 * Makes a call to another service of ours: only there the trace context goes along, and nothing else does. The headers
 * given to `call` are what it must send itself: with telemetry none, since the request's own span adds them.
 */
export function toOurs<T>(traceId: string, call: (headers: Record<string, string>) => T): T {
  if (!activeSpan()) return call({ traceparent: traceparentOf(traceId) });
  return context.with(context.active().setValue(oursKey, true), call, undefined, {});
}

/** One outgoing HTTP request as a client span, if it is part of a trace, and in `http.client.request.duration`. */
export function startCall(method: string, { hostname, port, protocol }: URL) {
  const startedAtMs = performance.now();
  const attributes = {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
  };
  const span = activeSpan() && tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes });
  let status: number | undefined;
  let ended = false;
  return {
    /** The trace context to send along: none unless the call is to a service of ours. */
    headers: span && context.active().getValue(oursKey) ? { traceparent: traceparentOfSpan(span.spanContext()) } : {},
    answered(statusCode: number): void {
      status = statusCode;
    },
    /** Once; what comes later is no news. */
    end(error?: unknown): void {
      if (ended) return;
      ended = true;
      const failure = error !== undefined ? errorType(error) : isTrouble(status) ? String(status) : undefined;
      if (span) endSpan(span, status, failure);
      const { 'server.port': _port, ...measured } = attributes;
      measure('http.client.request.duration', secondsSince(startedAtMs), {
        ...measured,
        ...(status !== undefined && { 'http.response.status_code': status }),
        ...(failure !== undefined && { 'error.type': failure }),
      });
    },
  };
}

/** An answer that helps nobody. A 4xx is one to act on: consent to ask for, a token to renew. */
function isTrouble(status = 0): boolean {
  return status >= 500 || status === 429;
}

function endSpan(span: Span, status: number | undefined, failure: string | undefined): void {
  if (status !== undefined) span.setAttribute('http.response.status_code', status);
  if (failure !== undefined) fail(span, failure);
  span.end();
}

type UndiciRequest = { origin: string | URL; method: string; addHeader(name: string, value: string): unknown };
type UndiciMessage = { request: UndiciRequest; response?: { statusCode: number }; error?: unknown };

/**
 * Makes a call of every request by fetch or undici, through the channels undici publishes (undici docs,
 * "Diagnostics Channel Support"): no module is patched.
 */
export function watchUndici(): void {
  const calls = new WeakMap<UndiciRequest, ReturnType<typeof startCall>>();
  const on = (name: string, listener: (message: UndiciMessage) => void) =>
    subscribe(`undici:request:${name}`, (message) => listener(message as UndiciMessage));
  on('create', ({ request }) => {
    const call = startCall(request.method, new URL(request.origin));
    for (const [name, value] of Object.entries(call.headers)) request.addHeader(name, value);
    calls.set(request, call);
  });
  on('headers', ({ request, response }) => calls.get(request)?.answered(response?.statusCode ?? 0));
  on('trailers', ({ request }) => calls.get(request)?.end());
  on('error', ({ request, error }) => calls.get(request)?.end(error ?? new Error('failed')));
}
