import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { type Attributes, context, createContextKey, type Span, SpanKind } from '@opentelemetry/api';
import { takeConnectionTimes } from './connection-times.ts';
import { measure, secondsSince } from './measures.ts';
import { spanTime } from './span-time.ts';
import { contextHeaders, traceparentOf } from './trace-context.ts';
import { activeSpan, errorType, fail, isTrouble, tracer } from './tracing.ts';

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
  const span =
    activeSpan() && tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes, startTime: spanTime(startedAtMs) });
  let status: number | undefined;
  let connectedAtMs = startedAtMs;
  let connecting: Attributes = {};
  let ended = false;
  return {
    /** The trace context to send along: none unless the call is to a service of ours. */
    headers: span && context.active().getValue(oursKey) ? contextHeaders(span.spanContext()) : {},
    /** A connection is there: from now on the request is on its way. */
    connected(socket: Socket): void {
      if (!span) return;
      connectedAtMs = performance.now();
      connecting = takeConnectionTimes(socket);
    },
    /** The same for a request of `node:http`, as soon as its socket is connected. */
    watchSocket(request: ClientRequest): void {
      if (!span) return;
      request.once('socket', (socket) => {
        const connected = () => this.connected(socket);
        if (socket.connecting) socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', connected);
      });
    },
    responded(statusCode: number): void {
      status = statusCode;
    },
    /** Once; what comes later is no news. */
    end(error?: unknown): void {
      if (ended) return;
      ended = true;
      const failure = error !== undefined ? errorType(error) : isTrouble(status) ? String(status) : undefined;
      const waitedMs = Math.round(connectedAtMs - startedAtMs);
      if (span && waitedMs > 0) span.setAttributes({ ...connecting, 'onbehalf.connection.wait': waitedMs });
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

function endSpan(span: Span, status: number | undefined, failure: string | undefined): void {
  if (status !== undefined) span.setAttribute('http.response.status_code', status);
  if (failure !== undefined) fail(span, failure);
  span.end(spanTime());
}
