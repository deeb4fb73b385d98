import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { factsKey, type Origin, type RequestFacts, startObserving } from '@onbehalf/node/core/telemetry/request-facts';
import { spanTime } from '@onbehalf/node/core/telemetry/span-time';
import { spanContextOf } from '@onbehalf/node/core/telemetry/trace-context';
import { fail, isTrouble, tracer } from '@onbehalf/node/core/telemetry/tracing';
import { atTurnEnd } from '@onbehalf/node/core/telemetry/turn-end';
import { type Attributes, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { measure } from '../signals.ts';

/**
 * Gives every request of a listener a server span and its place in `http.server.request.duration`. Where it belongs is
 * what the caller's `traceparent` says; an edge service gives an `originOf` of its own and believes nobody.
 */
export function observed(handler: RequestListener, originOf: (req: IncomingMessage) => Origin = believing) {
  startObserving();
  return (req: IncomingMessage, res: ServerResponse): void => {
    const startedAtMs = performance.now();
    const method = knownMethods.has(req.method ?? '') ? String(req.method) : '_OTHER';
    const { parent } = originOf(req);
    const above = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    const span = tracer.startSpan(method, { kind: SpanKind.SERVER, startTime: spanTime(startedAtMs) }, above);
    const untold = { endedAtMs: undefined, route: undefined, errorType: undefined, attributes: {} };
    const facts: RequestFacts = { span, method, startedAtMs, ...untold };
    let over = false;
    const written = () => {
      facts.endedAtMs ??= performance.now();
    };
    const end = () => {
      if (over) return;
      over = true;
      written();
      atTurnEnd(() => finish(req, res, facts));
    };
    // The caller may have read it all before this process hears that it was sent: the span ends when it is written.
    res.once('prefinish', written).once('finish', end).once('close', end);
    context.with(trace.setSpan(ROOT_CONTEXT, span).setValue(factsKey, facts), handler, undefined, req, res);
  };
}

function finish(req: IncomingMessage, res: ServerResponse, facts: RequestFacts): void {
  const { span, method, startedAtMs, endedAtMs = startedAtMs, errorType } = facts;
  const { route: matched, baseUrl = '' } = req as { route?: { path?: unknown }; baseUrl?: string };
  const route = facts.route ?? (typeof matched?.path === 'string' ? baseUrl + matched.path : undefined);
  const attributes = {
    'http.request.method': method,
    'http.response.status_code': res.statusCode,
    ...(route !== undefined && { 'http.route': route }),
    ...(errorType !== undefined && { 'error.type': errorType }),
  };
  span.setAttributes({ ...facts.attributes, ...attributes, ...urlOf(req, route) });
  if (route !== undefined) span.updateName(`${method} ${route}`);
  if (!res.writableFinished) fail(span, errorType ?? 'aborted');
  else if (isTrouble(res.statusCode)) fail(span, errorType ?? String(res.statusCode));
  // A refusal that tells the caller what to do: without a status Azure Monitor counts each 4xx as a failure.
  else if (res.statusCode >= 400) span.setStatus({ code: SpanStatusCode.OK });
  measure('http.server.request.duration', (endedAtMs - startedAtMs) / 1_000, attributes);
  span.end(spanTime(endedAtMs));
}

/**
 * Where the request went, for readers that build a URL of it. The path is the route: what stands in a path is the
 * caller's own matter. The address is the one that this process listens on, since anyone may write a `Host`.
 */
function urlOf({ socket }: IncomingMessage, route: string | undefined): Attributes {
  if (route === undefined) return {};
  const { localAddress = '', localPort = 0 } = socket;
  return { 'url.scheme': 'http', 'url.path': route, 'server.address': localAddress, 'server.port': localPort };
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function believing(req: IncomingMessage): Origin {
  return { parent: spanContextOf(req.headers.traceparent, req.headers.tracestate) };
}
