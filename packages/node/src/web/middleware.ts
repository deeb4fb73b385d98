import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConfigError } from '../core/config-error.ts';
import { Fault } from '../core/fault.ts';
import type { WebRequest } from './http/request.ts';
import { traceIdOf } from './http/response.ts';
import { ownEnvironment, type WebOptions } from './options.ts';
import type { Found } from './session/current-session.ts';
import { type ProcessOptions, WebCore, type WebSession } from './web-core.ts';

type Next = (error?: unknown) => void;
type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

/** What `onbehalf` adds to a request. */
export type OnBehalfRequest = {
  session: WebSession;
  /**
   * An access token for the person who is signed in, by an API's name or by scopes.
   * @throws Fault `login_required`, `consent_required` or `interaction_required`: `handleFaults` sends the person and back.
   */
  token(asked: string | readonly string[]): Promise<string>;
  /** A process token: a job that has it goes on for the person after they have left. @throws as `token`. */
  startProcess(asked: string | readonly string[], options?: ProcessOptions): Promise<string>;
  /** Calls an API of the option `apis` for the person. `path` begins with a slash. @throws as `token`. */
  fetch(api: string, path: string, init?: RequestInit): Promise<Response>;
};

declare global {
  // biome-ignore lint/style/noNamespace: so Express has it extended.
  namespace Express {
    interface Request extends OnBehalfRequest {}
  }
}

type Guarded = { core: WebCore; found: Found };

const guarded = new WeakMap<IncomingMessage, Guarded>();

/**
 * Signs people in: serves `/sign-in`, `/sign-out`, `/session`, `/auth/*` and the APIs below `/api`, and gives every other
 * request its `session`, `token` and `fetch`. For Express 4 and 5, and whatever else takes `(req, res, next)`.
 * @throws ConfigError naming every option that is wrong.
 */
export function onbehalf(
  options: WebOptions = {},
  env: NodeJS.ProcessEnv = ownEnvironment,
): Middleware & AsyncDisposable {
  const core = new WebCore(options, env);
  const middleware: Middleware = (req, res, next) => {
    enter(core, req, res).then(
      (ours) => ours || next(),
      (error) => core.refuse(error, req, res).catch(next),
    );
  };
  return Object.assign(middleware, { [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() });
}

async function enter(core: WebCore, req: IncomingMessage, res: ServerResponse): Promise<boolean> {
  if ('session' in req)
    throw new ConfigError('Something else has set req.session: onbehalf() keeps the session itself.');
  if (await core.serve(req, res)) return true;
  const found = await core.find(req, res);
  guarded.set(req, { core, found });
  const traceId = traceIdOf(res);
  const added: OnBehalfRequest = {
    session: toSession(found),
    token: (asked) => core.token(found, traceId, asked),
    startProcess: (...call) => core.startProcess(found, traceId, call),
    fetch: (...call) => core.fetch(found, traceId, call),
  };
  Object.assign(req, added);
  return false;
}

/** What an app may know of a session. */
export function toSession({ session, lifetime }: Found): WebSession {
  if (!session || !lifetime) return { user: undefined, endsAt: undefined };
  const { oid, tid, name, username } = session;
  return { user: { oid, tid, name, username }, endsAt: new Date(lifetime.endsAt * 1_000) };
}

// biome-ignore lint/suspicious/noExplicitAny: the framework types what it gives to its handlers.
type Route = (req: any, res: any, next: any) => unknown;

/**
 * Lets people pass who are signed in. A page sends the others to sign in and back; a script is told so with 401 and the
 * address. What may change something must come from a page of ours. A `handler` given here runs then, and what its calls
 * ask of the person, such as consent, is done and resumed too.
 */
export function requireSignIn(): Middleware;
export function requireSignIn<Handler extends Route>(handler: Handler): Handler;
export function requireSignIn(handler?: Route): Middleware {
  return (req, res, next) => {
    const { core, found } = guardOf(req);
    const run = async () => {
      core.requireSignIn(req, found);
      if (handler) await handler(req, res, next);
      else next();
    };
    run().catch((error) => respond(error, req, res, next));
  };
}

/** A last handler of Express: sends the person to do what a call needs and back, and responds with any other Fault. */
export function handleFaults(error: unknown, req: IncomingMessage, res: ServerResponse, next: Next): void {
  respond(error, req, res, next);
}

/** What is no Fault is the app's own. */
function respond(error: unknown, req: WebRequest, res: ServerResponse, next: Next): void {
  const guard = guarded.get(req);
  if (!guard || !(error instanceof Fault) || res.headersSent) next(error);
  else guard.core.refuse(error, req, res).catch(next);
}

/** The session of a request that `onbehalf` let pass: `req.session`, typed for any framework. */
export function requestOf(req: IncomingMessage): OnBehalfRequest {
  guardOf(req);
  return req as IncomingMessage & OnBehalfRequest;
}

function guardOf(req: IncomingMessage): Guarded {
  const guard = guarded.get(req);
  if (!guard) throw new Error('onbehalf() comes before this.');
  return guard;
}
