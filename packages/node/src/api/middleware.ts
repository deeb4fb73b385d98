import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Fault, toFault } from '../core/fault.ts';
import { traceIdOf } from '../core/telemetry/trace-context.ts';
import { type ApiOptions, type Needs, openToAll, ProtectedApi, type User } from './protected-api.ts';

type Next = (error?: unknown) => void;
type Handler = (req: IncomingMessage, res: ServerResponse, next: Next) => void;
type MiddlewareOptions = {
  /** Gives refusals to `next`, for an error handler of your own; they are sent from here unless said. */
  passOn?: boolean;
};

/** What `bearer` knows of a request that it let pass. */
const guarded = new WeakMap<IncomingMessage, { api: ProtectedApi; user: User; passOn: boolean }>();

/**
 * Lets requests pass that carry Entra's access token for this API, as `req.user`; responds to all others with 401 or 503. For
 * Express 4 and 5, and whatever else takes `(req, res, next)`. Also publishes the API's metadata if it has a `resource`.
 */
export function bearer(options: ApiOptions | ProtectedApi, { passOn = false }: MiddlewareOptions = {}): Handler {
  const api = options instanceof ProtectedApi ? options : new ProtectedApi(options);
  return (req, res, next) => {
    const metadata = api.metadataFor(req);
    if (metadata) return send(res, 200, { ...openToAll }, metadata);
    api.readUser(req).then(
      (user) => {
        guarded.set(req, { api, user, passOn });
        (req as { user?: unknown }).user = user;
        next();
      },
      (error) => refuse(api.explain(error), passOn, res, next),
    );
  };
}

/** Lets users pass whose token has this delegated scope, e.g. `access_as_user`. */
export const requireScope = (scope: string): Handler => require({ scope });

/** Lets apps pass that act on their own account and have this app role. */
export const requireRole = (role: string): Handler => require({ role });

/** Lets tokens pass that satisfied this authentication context, e.g. `c1`; asks the others for it (step-up). */
export const requireAuthContext = (authContext: string): Handler => require({ authContext });

/**
 * An access token for the next API on behalf of the request's user; `scope` is such as
 * `https://graph.microsoft.com/User.Read`. `bearer` needs the option `broker`. The broker's work belongs to the trace that
 * the request's `traceparent` names.
 * @throws Fault that tells your own caller what to do: `handleFaults` responds with it.
 */
export async function onBehalfOf(
  req: IncomingMessage,
  scope: string,
  traceId: string = traceIdOf(req.headers),
): Promise<string> {
  const { api, user } = guardOf(req);
  return await api.onBehalfOf(user, scope, traceId).catch((error) => {
    throw api.explain(error);
  });
}

/** The user of a request that `bearer` let pass: `req.user`, typed. */
export function userOf(req: IncomingMessage): User {
  return guardOf(req).user;
}

/** A last handler of Express: responds with a Fault, and to anything else without a word of the inside. */
export function handleFaults(error: unknown, _req: IncomingMessage, res: ServerResponse, next: Next): void {
  if (res.headersSent) next(error);
  else respond(toFault(error), res);
}

function require(needs: Needs): Handler {
  return (req, res, next) => {
    const { api, user, passOn } = guardOf(req);
    try {
      api.check(user, needs);
    } catch (error) {
      return refuse(api.explain(error), passOn, res, next);
    }
    next();
  };
}

function guardOf(req: IncomingMessage) {
  const guard = guarded.get(req);
  if (!guard) throw new Error('bearer() comes before this.');
  return guard;
}

function refuse(fault: Fault, passOn: boolean, res: ServerResponse, next: Next): void {
  if (passOn) next(fault);
  else respond(fault, res);
}

function respond(fault: Fault, res: ServerResponse): void {
  send(res, fault.status, fault.toHeaders(), fault.toBody());
}

function send(res: ServerResponse, status: number, headers: Record<string, string>, body: unknown): void {
  res.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
