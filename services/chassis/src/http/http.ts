import { Fault, toFault } from '@onbehalf/node/core/fault';
import { traceIdOf } from '@onbehalf/node/core/telemetry/trace-context';
import express, { type ErrorRequestHandler, type Express, type Request, type Response, type Router } from 'express';
import type { Logger } from '../telemetry/logger.ts';
import { noteFailure } from '../telemetry/server-span.ts';

/** Headers that every response has, errors included; a service overrides the policy per page, caching per asset. */
const securityHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

export type RenderFault = (fault: Fault, req: Request, res: Response, traceId: string) => void;

type AppOptions = {
  logger: Logger;
  /** Routes and what they need before them; the fault handler comes after. */
  routes: Router;
  /** How a fault is shown; JSON unless said. Status and headers are already set. */
  renderFault?: RenderFault;
  /** The trace id of a request; from `traceparent` unless said: an edge service believes nobody. */
  traceIdOf?: (req: Request) => string;
  /** Where a fault is told; at its own level unless said. */
  logFault?: (fault: Fault, route: string, traceId: string) => void;
};

/** An express app with the headers, the limits and the one fault handler that every service shares. Opens nothing. */
export function createApp(options: AppOptions): Express {
  const { logger, routes, renderFault = renderJson } = options;
  const log = options.logFault ?? ((...told) => logFault(logger, ...told));
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use((req, res, next) => {
    res.set(securityHeaders);
    res.locals.traceId = (options.traceIdOf ?? ((r: Request) => traceIdOf(r.headers)))(req);
    next();
  });
  app.use(routes);
  app.use(() => {
    throw new Fault('not_found', 'There is nothing at this address.');
  });
  app.use(createFaultHandler(log, renderFault));
  return app;
}

/** A last handler on a path: responds 405 with `Allow` to every other method. RFC 9110 section 15.5.6. */
export function onlyMethods(...methods: string[]) {
  return (): never => {
    throw new Fault('method_not_allowed', 'This address does not take that method.', { allow: methods.join(', ') });
  };
}

/** Logs a fault once, at its own level. */
export function logFault(logger: Logger, fault: Fault, route: string, traceId: string): void {
  const cause = fault.level === 'info' ? undefined : fault.cause;
  logger[fault.level](
    { event: 'request.failed', route, status: fault.status, error_code: fault.code, trace_id: traceId, error: cause },
    fault.message,
  );
}

function createFaultHandler(log: NonNullable<AppOptions['logFault']>, renderFault: RenderFault): ErrorRequestHandler {
  // Nothing is left to express' own last handler: it would print the error, and show it.
  return (error: unknown, req, res, _next) => {
    const fault = toFault(error);
    const traceId = String(res.locals.traceId);
    noteFailure(fault.code);
    log(fault, `${req.method} ${req.route?.path ?? 'unmatched'}`, traceId);
    // Half a response cannot become an error: the connection is cut, so that nobody takes it for whole.
    if (res.headersSent) return void res.destroy();
    res.status(fault.status).set(fault.toHeaders());
    try {
      renderFault(fault, req, res, traceId);
    } catch (cause) {
      log(toFault(cause), 'fault page', traceId);
      if (!res.headersSent) renderJson(fault, req, res, traceId);
    }
  };
}

function renderJson(fault: Fault, _req: Request, res: Response, traceId: string): void {
  res.json(fault.toBody(traceId));
}
