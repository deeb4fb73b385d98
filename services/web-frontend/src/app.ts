import type { KeyRing } from '@onbehalf/chassis/auth/key-ring';
import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import { newTraceId } from '@onbehalf/chassis/telemetry/correlation';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { type Express, Router } from 'express';
import { createApiRoutes } from './api/api-routes.ts';
import type { Apis } from './apis.ts';
import type { Broker } from './broker/broker.ts';
import type { Config } from './config.ts';
import { formMs } from './lifetimes.ts';
import { calls } from './pages/pages.ts';
import { renderFault } from './pages/render-fault.ts';
import { cookieFlags, cookiesOf, noDoubledCookies } from './session/cookies.ts';
import { createFlowTrace, landingCookie } from './session/flow-trace.ts';
import { createLogins } from './session/logins.ts';
import { sameOriginOnly } from './session/same-origin.ts';
import { createSeal } from './session/seal.ts';
import { createSessions } from './session/session.ts';
import { createPerson } from './session-routes.ts';
import { createClientNetwork } from './sign-in/client-network.ts';
import { formBody } from './sign-in/form.ts';
import type { Entra } from './sign-in/oidc.ts';
import { createRate, rateLimit } from './sign-in/rate.ts';
import type { SessionRevocation } from './sign-in/session-revocation.ts';
import { createSignIn } from './sign-in/sign-in.ts';
import { SignOut } from './sign-in/sign-out.ts';
import { noSpeculativeCookies } from './sign-in/speculative.ts';
import { createStepUpLinks } from './step-up/step-up.ts';

export type AppDeps = {
  config: Pick<Config, 'publicBaseUrl' | 'publicRate' | 'signInScopes' | 'traceViewerUrl' | 'trustedProxies'> & {
    entra: Pick<Config['entra'], 'responseMode'>;
    session: Pick<Config['session'], 'sameSite'>;
  };
  apis: Apis;
  broker: Broker;
  revocation: SessionRevocation;
  entra: Entra;
  keys: () => KeyRing;
  logger: Logger;
  nowMs?: () => number;
};

/** The whole of web-frontend as an express app. Opens nothing. */
export function createApp({ config, nowMs = Date.now, keys, ...deps }: AppDeps): Express {
  const { publicBaseUrl, publicRate } = config;
  const { sameSite } = config.session;
  const { responseMode } = config.entra;
  const nowSeconds = () => Math.floor(nowMs() / 1_000);
  const seal = createSeal(keys);
  const sessions = createSessions({ seal, sameSite });
  const flowTrace = createFlowTrace(keys, nowMs);
  const logins = createLogins({ seal, flowTrace, responseMode, sameSite, nowMs });
  const stepUpLinks = createStepUpLinks({ logins, nowSeconds, seal });
  const rooms = { ...deps, publicBaseUrl, sameSite, sessions, flowTrace, logins, stepUpLinks, nowSeconds };
  const networkOf = createClientNetwork(config.trustedProxies, deps.logger);
  const rate = createRate(publicRate, nowMs);
  const signOut = new SignOut({ ...rooms, networkOf, rate });
  const signIn = createSignIn({ ...rooms, scopes: config.signInScopes, signOut });
  const person = createPerson(rooms);
  const api = createApiRoutes(rooms);

  const ours = sameOriginOnly(publicBaseUrl);
  const limited = rateLimit(rate, networkOf);
  const readOnly = onlyMethods('GET', 'HEAD');
  const routes = Router({ caseSensitive: true, strict: true });

  routes.use(noDoubledCookies, noSpeculativeCookies);
  // Uploads may last; a body that nobody reads any more may not.
  routes.use((req, res, next) => {
    res.once('finish', () => {
      if (!req.complete) setTimeout(() => req.complete || req.socket.destroy(), formMs).unref();
    });
    next();
  });

  // The first page after a sign-in was the last of its trace.
  routes.use((req, res, next) => {
    if (cookiesOf(req).has(landingCookie)) res.clearCookie(landingCookie, { ...cookieFlags, sameSite: 'lax' });
    next();
  });

  // Pages: a navigation from anywhere may open them; they change nothing.
  routes.route('/').get(person.home).all(readOnly);
  routes.route('/profile').get(person.profile).all(readOnly);
  for (const call of calls) routes.route(call.path).get(api.page(call)).all(readOnly);
  routes.route('/sign-in').get(limited, signIn.signIn).all(readOnly);

  // Data and changes: from our own pages and scripts only.
  routes.route('/session').get(ours, person.session).all(readOnly);
  const signingOut = routes
    .route('/sign-out')
    .post(ours, formBody, signOut.signOut.bind(signOut), limited, signIn.signInToEnd);
  signingOut.all(onlyMethods('POST'));
  routes.route('/api/*path').all(ours, api.proxy);

  // From Entra's pages, hence cross-site: `state` with its cookie guards the one, acting by `sid` alone the other.
  const callback = routes.route('/auth/callback');
  if (responseMode === 'query') callback.get(limited, signIn.callbackByQuery).all(readOnly);
  else callback.get(signIn.administrator).post(limited, formBody, signIn.callbackByForm).all(onlyMethods('POST'));
  routes
    .route('/auth/front-channel-logout')
    .get((req, res) => signOut.frontChannel(req, res))
    .all(readOnly);

  // An edge believes no trace context from outside: each request begins its own, a callback resumes its sign-in's.
  const app = createChassisApp({ logger: deps.logger, routes, renderFault, traceIdOf: newTraceId });
  app.locals.formTargets = deps.entra.origins;
  app.locals.traceViewerUrl = config.traceViewerUrl;
  return app;
}
