import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { type Express, type Request, type RequestHandler, type Response, Router } from 'express';
import { ApiRoutes } from './api/api-routes.ts';
import type { Apis } from './apis.ts';
import type { Broker } from './broker/broker.ts';
import type { Config } from './config.ts';
import { formMs } from './lifetimes.ts';
import { FailureLog } from './pages/failure-log.ts';
import type { Product } from './pages/page.ts';
import { callPaths } from './pages/pages.ts';
import { renderFault } from './pages/render-fault.ts';
import { cookieFlags, cookiesOf, noDoubledCookies } from './session/cookies.ts';
import { createFlowTrace, landingCookie } from './session/flow-trace.ts';
import { Logins } from './session/logins.ts';
import { sameOriginOnly } from './session/same-origin.ts';
import { createSeal } from './session/seal.ts';
import { createSessions } from './session/session.ts';
import { createPerson } from './session-routes.ts';
import { administratorConsent } from './sign-in/administrator-consent.ts';
import { Callback } from './sign-in/callback.ts';
import { createClientNetwork } from './sign-in/client-network.ts';
import { formBody } from './sign-in/form.ts';
import type { OidcClient } from './sign-in/oidc.ts';
import { createRate, rateLimit } from './sign-in/rate.ts';
import type { SessionRevocation } from './sign-in/session-revocation.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { SignOut } from './sign-in/sign-out.ts';
import { noSpeculativeCookies } from './sign-in/speculative.ts';
import { StepUpLinks } from './step-up/step-up.ts';

export type AppDeps = {
  config: Pick<Config, 'publicBaseUrl' | 'publicRate' | 'signInScopes' | 'traceViewerUrl' | 'trustedProxies'> & {
    entra: Pick<Config['entra'], 'responseMode'>;
    session: Pick<Config['session'], 'sameSite'>;
  };
  product: Product;
  apis: Apis;
  broker: Broker;
  revocation: SessionRevocation;
  entra: OidcClient;
  keys: () => KeyRing;
  logger: Logger;
  nowMs?: () => number;
};

/** The whole of web-frontend as an express app. Opens nothing. */
export function createApp(deps: AppDeps): Express {
  const routes = Router({ caseSensitive: true, strict: true });
  routes.use(noDoubledCookies, noSpeculativeCookies, endUnreadUploads, clearLanding);
  const failures = new FailureLog(deps.logger);
  addRoutes(routes, createHandlers({ ...deps, failures }), deps.config);
  // Trace context from outside is ignored: each request starts its own trace, a callback resumes its sign-in's.
  const app = createChassisApp({
    logger: deps.logger,
    routes,
    renderFault,
    traceIdOf: newTraceId,
    logFault: failures.fault.bind(failures),
  });
  app.locals.formTargets = () => deps.entra.origins();
  app.locals.product = deps.product;
  app.locals.traceViewerUrl = deps.config.traceViewerUrl;
  return app;
}

type Handlers = ReturnType<typeof createHandlers>;

function createHandlers({ config, nowMs = Date.now, keys, ...deps }: AppDeps & { failures: FailureLog }) {
  const { publicBaseUrl, publicRate, signInScopes, trustedProxies } = config;
  const { sameSite } = config.session;
  const nowSeconds = () => Math.floor(nowMs() / 1_000);
  const seal = createSeal(keys);
  const sessions = createSessions({ seal, sameSite });
  const flowTrace = createFlowTrace(keys, nowMs);
  const logins = new Logins({ seal, flowTrace, responseMode: config.entra.responseMode, sameSite, nowMs });
  const stepUpLinks = new StepUpLinks({ failures: deps.failures, logins, nowSeconds, seal });
  const rooms = { ...deps, publicBaseUrl, sameSite, sessions, flowTrace, logins, stepUpLinks, nowSeconds };
  const networkOf = createClientNetwork(trustedProxies, deps.logger);
  const rate = createRate(publicRate, nowMs);
  const signOut = new SignOut({ ...rooms, networkOf, rate });
  const signIn = new SignIn({ ...rooms, scopes: signInScopes });
  const callback = new Callback({ ...rooms, signIn, signOut });
  const limited = rateLimit(rate, networkOf);
  return { api: new ApiRoutes(rooms), callback, limited, person: createPerson(rooms), signIn, signOut };
}

function addRoutes(
  routes: Router,
  { api, callback, limited, person, signIn, signOut }: Handlers,
  config: AppDeps['config'],
): void {
  const ours = sameOriginOnly(config.publicBaseUrl);
  const readOnly = onlyMethods('GET', 'HEAD');
  const postOnly = onlyMethods('POST');

  // Pages: a navigation from anywhere may open them; they change nothing.
  routes.route('/').get(person.home).all(readOnly);
  routes.route('/profile').get(person.profile).all(readOnly);
  for (const path of callPaths)
    routes
      .route(path)
      .get((req, res) => api.page(path, req, res))
      .all(readOnly);
  routes.route('/sign-in').get(limited, signIn.signIn.bind(signIn)).all(readOnly);

  // Data and changes: from our own pages and scripts only.
  routes.route('/session').get(ours, person.session).all(readOnly);
  const signInToEnd = signIn.signInToEnd.bind(signIn);
  routes.route('/sign-out').post(ours, formBody, signOut.signOut.bind(signOut), limited, signInToEnd).all(postOnly);
  routes.route('/api/*path').all(ours, api.proxy.bind(api));

  // From Entra's pages, hence cross-site: `state` with its cookie guards the first, `sid` alone acts in the second.
  const route = routes.route('/auth/callback');
  const byQuery = (req: Request, res: Response) => callback.callback(req, res, req.query);
  const byForm = (req: Request, res: Response) => callback.callback(req, res, req.body);
  if (config.entra.responseMode === 'query') route.get(limited, byQuery).all(readOnly);
  else route.get(administratorConsent).post(limited, formBody, byForm).all(postOnly);
  routes.route('/auth/front-channel-logout').get(signOut.frontChannel.bind(signOut)).all(readOnly);
}

/** An upload may last; a body that no handler reads any more may not. */
const endUnreadUploads: RequestHandler = (req, res, next) => {
  res.once('finish', () => {
    if (!req.complete) setTimeout(() => req.complete || req.socket.destroy(), formMs).unref();
  });
  next();
};

/** The first page after a sign-in is the last of its trace. */
const clearLanding: RequestHandler = (req, res, next) => {
  if (cookiesOf(req).has(landingCookie)) res.clearCookie(landingCookie, { ...cookieFlags, sameSite: 'lax' });
  next();
};
