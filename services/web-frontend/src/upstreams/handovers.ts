import type { IncomingMessage } from 'node:http';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import type { RequestHandler } from 'express';

type Handover = { traceId: string; route: string; respond: RequestHandler };

/** Requests that the front mode hands to the app, so that a refusal has the app's pages, headers and log. */
export class Handovers {
  readonly #handed = new WeakMap<IncomingMessage, Handover>();

  set(req: IncomingMessage, handover: Handover): void {
    this.#handed.set(req, handover);
  }

  traceIdOf(req: IncomingMessage): string {
    return this.#handed.get(req)?.traceId ?? newTraceId();
  }

  /** Responds to what was handed over; all else goes on to the app's own routes. */
  readonly respond: RequestHandler = (req, res, next) => {
    const handover = this.#handed.get(req);
    if (!handover) return next();
    // The log names the route that Express matched: this is no path of ours.
    req.route = { path: handover.route };
    return handover.respond(req, res, next);
  };
}
