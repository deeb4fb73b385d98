import type { OutgoingHttpHeaders } from 'node:http';
import type { KeyRing } from '../core/keys/key-ring.ts';
import type { Log } from '../core/log.ts';
import { RateLimit } from '../core/network/rate-limit.ts';
import { ApiRoutes } from './api/api-routes.ts';
import type { Apis } from './apis/apis.ts';
import type { Broker } from './broker/broker.ts';
import { queryOf, type WebRequest } from './http/request.ts';
import { clearCookie, type WebResponse } from './http/response.ts';
import { type Route, refusedMethod, serveRoutes } from './http/routes.ts';
import { createClientNetwork } from './network/client-network.ts';
import { FailureLog } from './pages/failure-log.ts';
import { cookieFlags, cookiesOf, refuseDoubledCookies } from './session/cookies.ts';
import { CurrentSession } from './session/current-session.ts';
import { createFlowTrace, landingCookie } from './session/flow-trace.ts';
import { locationOf } from './session/location.ts';
import type { Locations } from './session/locations.ts';
import { Logins } from './session/logins.ts';
import { sameOriginOnly } from './session/same-origin.ts';
import { createSeal } from './session/seal.ts';
import { createSessions } from './session/session.ts';
import { administratorConsent } from './sign-in/administrator-consent.ts';
import { Callback } from './sign-in/callback.ts';
import { readForm } from './sign-in/form.ts';
import type { OidcClient } from './sign-in/oidc.ts';
import type { SessionRevocation } from './sign-in/session-revocation.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { SignOut } from './sign-in/sign-out.ts';
import { setNoSpeculativeCookies } from './sign-in/speculative.ts';
import { StepUpLinks } from './step-up/step-up.ts';

export type HandlersDeps = {
  config: {
    locations: Locations;
    publicRate: { perSecond: number; burst: number };
    signInScopes: string[];
    trustedProxies: string[];
    entra: { responseMode: 'query' | 'form_post' };
    session: { sameSite: 'lax' | 'strict' };
  };
  apis: Apis;
  broker: Broker;
  revocation: SessionRevocation;
  entra: OidcClient;
  keys: () => KeyRing;
  logger: Log;
  nowMs?: (() => number) | undefined;
};

export type Handlers = ReturnType<typeof createHandlers>;

/** Everything that signs people in and out and calls APIs for them, put together. Opens nothing. */
export function createHandlers({ config, nowMs: clock, keys, ...deps }: HandlersDeps) {
  const nowMs = clock ?? Date.now;
  const { locations, publicRate, signInScopes, trustedProxies } = config;
  const { sameSite } = config.session;
  const failures = new FailureLog(deps.logger);
  const nowSeconds = () => Math.floor(nowMs() / 1_000);
  const seal = createSeal(keys);
  const sessions = createSessions({ seal, sameSite });
  const flowTrace = createFlowTrace(keys, nowMs);
  const logins = new Logins({ seal, flowTrace, responseMode: config.entra.responseMode, sameSite, nowMs });
  const stepUpLinks = new StepUpLinks({ failures, logins, nowSeconds, seal });
  const rooms = { ...deps, sameSite, sessions, failures, flowTrace, logins, stepUpLinks, nowSeconds };
  const networkOf = createClientNetwork(trustedProxies, deps.logger);
  const rate = new RateLimit(publicRate, clock);
  const limited = (req: WebRequest) => rate.take(networkOf(req), 'Too many requests from your network, try again.');
  const signOut = new SignOut({ ...rooms, networkOf, rate });
  const signIn = new SignIn({ ...rooms, scopes: signInScopes });
  const callback = new Callback({ ...rooms, signIn, signOut });
  const current = new CurrentSession(rooms);
  const api = new ApiRoutes(rooms);
  const guards = { limited, ours: sameOriginOnly };
  const routes = routesOf({ api, callback, current, signIn, signOut, ...guards }, config.entra.responseMode);
  return { api, current, failures, locations, routes, sessions, stepUpLinks, ours: guards.ours };
}

type Rooms = {
  api: ApiRoutes;
  callback: Callback;
  current: CurrentSession;
  signIn: SignIn;
  signOut: SignOut;
  limited: (req: WebRequest) => void;
  ours: (req: WebRequest) => void;
};

function routesOf(rooms: Rooms, responseMode: 'query' | 'form_post'): ReadonlyMap<string, Route> {
  const { api, callback, current, limited, ours, signIn, signOut } = rooms;
  const guarded =
    (guard: (req: WebRequest) => void, handle: (req: WebRequest, res: WebResponse) => Promise<void>) =>
    async (req: WebRequest, res: WebResponse) => {
      guard(req);
      await handle(req, res);
    };
  const byQuery: Route = { GET: guarded(limited, (req, res) => callback.callback(req, res, queryOf(req))) };
  const byForm: Route = {
    GET: (req, res) => {
      if (!administratorConsent(req, res)) throw refusedMethod(byForm);
    },
    POST: guarded(limited, async (req, res) => callback.callback(req, res, await readForm(req))),
  };
  return new Map<string, Route>([
    // A navigation from anywhere may open it: it changes nothing.
    ['/sign-in', { GET: guarded(limited, (req, res) => signIn.signIn(req, res)) }],
    // Data and changes: from our own pages and scripts only.
    ['/session', { GET: guarded(ours, (req, res) => current.show(req, res)) }],
    [
      '/sign-out',
      {
        POST: guarded(ours, async (req, res) => {
          if (await signOut.signOut(req, res, await readForm(req))) return;
          limited(req);
          await signIn.signInToEnd(req, res);
        }),
      },
    ],
    ['/api/*path', { ALL: guarded(ours, (req, res) => api.proxy(req, res)) }],
    // From Entra's pages, hence cross-site: `state` with its cookie guards the first, `sid` alone acts in the second.
    ['/auth/callback', responseMode === 'query' ? byQuery : byForm],
    ['/auth/front-channel-logout', { GET: (req, res) => signOut.frontChannel(req, res) }],
  ]);
}

/**
 * Chooses the request's location, serves what is ours there, and prepares every other request for what comes after. Returns
 * whether it was ours; such a response has these headers.
 * @throws Fault that the caller shows.
 */
export async function serveOurs(
  { locations, routes }: Handlers,
  req: WebRequest,
  res: WebResponse,
  headers: OutgoingHttpHeaders = {},
): Promise<boolean> {
  locations.choose(req);
  refuseDoubledCookies(req);
  setNoSpeculativeCookies(req, res);
  clearLanding(req, res);
  return await serveRoutes(routes, req, res, headers);
}

/** The first page after a sign-in is the last of its trace. */
function clearLanding(req: WebRequest, res: WebResponse): void {
  const name = locationOf(req).cookie(landingCookie);
  if (cookiesOf(req).has(name)) clearCookie(res, name, { ...cookieFlags, sameSite: 'lax' });
}
