import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { formMs } from '@onbehalf/node/lifetimes';
import { ApiRoutes } from '@onbehalf/node/web/api/api-routes';
import type { Apis } from '@onbehalf/node/web/apis/apis';
import type { Broker } from '@onbehalf/node/web/broker/broker';
import { createClientNetwork } from '@onbehalf/node/web/network/client-network';
import { createRate, rateLimit } from '@onbehalf/node/web/network/rate';
import { FailureLog } from '@onbehalf/node/web/pages/failure-log';
import { usePages } from '@onbehalf/node/web/pages/pages';
import { cookieFlags, cookiesOf, noDoubledCookies } from '@onbehalf/node/web/session/cookies';
import { createFlowTrace, landingCookie } from '@onbehalf/node/web/session/flow-trace';
import { Logins } from '@onbehalf/node/web/session/logins';
import { sameOriginOnly } from '@onbehalf/node/web/session/same-origin';
import { createSeal } from '@onbehalf/node/web/session/seal';
import { createSessions } from '@onbehalf/node/web/session/session';
import { administratorConsent } from '@onbehalf/node/web/sign-in/administrator-consent';
import { Callback } from '@onbehalf/node/web/sign-in/callback';
import { formBody } from '@onbehalf/node/web/sign-in/form';
import type { OidcClient } from '@onbehalf/node/web/sign-in/oidc';
import type { SessionRevocation } from '@onbehalf/node/web/sign-in/session-revocation';
import { SignIn } from '@onbehalf/node/web/sign-in/sign-in';
import { SignOut } from '@onbehalf/node/web/sign-in/sign-out';
import { noSpeculativeCookies } from '@onbehalf/node/web/sign-in/speculative';
import { StepUpLinks } from '@onbehalf/node/web/step-up/step-up';
import { type Express, type Request, type RequestHandler, type Response, Router } from 'express';
import type { Config } from './config.ts';
import { type Product, sendPage } from './pages/page.ts';
import { apiResponse, callPaths } from './pages/pages.ts';
import { renderFault } from './pages/render-fault.ts';
import { pages } from './pages/sign-in-pages.ts';
import { createPerson } from './session-routes.ts';

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
  routes.use(usePages(pages), noDoubledCookies, noSpeculativeCookies, endUnreadUploads, clearLanding);
  const failures = new FailureLog(deps.logger);
  addRoutes(routes, createHandlers({ ...deps, failures }), deps);
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
  { apis, config }: AppDeps,
): void {
  // The pages are those of the sample API; without it they call the first API.
  const sampleName = Object.hasOwn(apis, 'downstream-api') ? 'downstream-api' : (Object.keys(apis)[0] ?? '');
  const ours = sameOriginOnly(config.publicBaseUrl);
  const readOnly = onlyMethods('GET', 'HEAD');
  const postOnly = onlyMethods('POST');

  // Pages: a navigation from anywhere may open them; they change nothing.
  routes.route('/').get(person.home).all(readOnly);
  routes.route('/profile').get(person.profile).all(readOnly);
  for (const path of callPaths)
    routes
      .route(path)
      .get(async (req, res) => {
        const shown = await api.callForPage(sampleName, path, req, res);
        if (shown) sendPage(res, apiResponse({ ...shown, path }));
      })
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
