import { Fault, toFault } from '@onbehalf/node/core/fault';
import { noteFailure } from '@onbehalf/node/core/telemetry/request-facts';
import { traceIdOf } from '@onbehalf/node/core/telemetry/trace-context';
import express, { type ErrorRequestHandler, type Express, type Request, type Response, type Router } from 'express';
import type { Logger } from '../telemetry/logger.ts';

/** Headers of every response, also of errors. A service overrides the policy for pages and caching for assets. */
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
  /** Routes, and middleware before them; the fault handler comes after them. */
  routes: Router;
  /** Writes the body for a fault; by default JSON. Status and headers are already set. */
  renderFault?: RenderFault;
  /** The trace id of a request; by default from `traceparent`, which an edge service does not trust. */
  traceIdOf?: (req: Request) => string;
  /** Logs a fault; by default at its own level. */
  logFault?: (fault: Fault, route: string, traceId: string) => void;
};

/** An Express app with the headers and the fault handler of every service. It opens no port. */
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

/** The last handler of a path: responds 405 with `Allow` to all other methods. RFC 9110 section 15.5.6. */
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
  // Express' own last handler never runs: it would print the error and show it to the caller.
  return (error: unknown, req, res, _next) => {
    const fault = toFault(error);
    const traceId = String(res.locals.traceId);
    noteFailure(fault.code);
    log(fault, `${req.method} ${req.route?.path ?? 'unmatched'}`, traceId);
    // A response that has begun cannot become an error: the connection is cut, so that nobody takes it for complete.
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
