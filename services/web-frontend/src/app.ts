import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createHandlers, type Handlers, type HandlersDeps, serveOurs } from '@onbehalf/node/web/handlers';
import { targetOf } from '@onbehalf/node/web/http/request';
import { endUnreadUpload } from '@onbehalf/node/web/http/routes';
import { usePages } from '@onbehalf/node/web/pages/pages';
import { type Express, type RequestHandler, Router } from 'express';
import type { Config } from './config.ts';
import { jwksSeconds } from './lifetimes.ts';
import { type Product, sendPage } from './pages/page.ts';
import { apiResponse, callPaths } from './pages/pages.ts';
import { renderFault } from './pages/render-fault.ts';
import { pages } from './pages/sign-in-pages.ts';
import { createPerson } from './session-routes.ts';
import type { Upstream } from './upstreams/file/upstreams-file.ts';
import { Front } from './upstreams/front.ts';
import { Handovers } from './upstreams/handovers.ts';
import { Identities } from './upstreams/people/identities.ts';

export type AppDeps = HandlersDeps & {
  config: Pick<Config, 'traceViewerUrl'>;
  product: Product;
  logger: Logger;
  /** The apps that stand behind this service. */
  upstreams?: readonly Upstream[];
};

/** The whole of web-frontend: an express app, and what stands between browsers and the upstreams. Opens nothing. */
export function createFrontend(deps: AppDeps): { app: Express; front: Front } {
  const handlers = createHandlers(deps);
  const { nowMs = Date.now, upstreams = [] } = deps;
  const { locations, trustedProxies } = deps.config;
  const handovers = new Handovers();
  const identities = new Identities({ keys: deps.keys, issuer: locations.first.url, nowMs });
  const rooms = { ...deps, ...handlers, handovers, identities };
  const front = new Front({ ...rooms, nowMs, trustedProxies, upstreams });
  const { failures } = handlers;
  const routes = Router({ caseSensitive: true, strict: true });
  routes.use((req, res, next) => {
    usePages(res, pages);
    const ours = serveOurs(handlers, req, res).then((served) => {
      // Pages are routed below their location.
      req.url = targetOf(req);
      return served || next();
    });
    ours.catch(next);
  });
  routes.use(handovers.respond);
  addPages(routes, handlers, deps);
  addForUpstreams(routes, front, identities);
  // Trace context from outside is ignored: each request starts its own trace, a callback resumes its sign-in's.
  const app = createChassisApp({
    logger: deps.logger,
    routes,
    renderFault,
    traceIdOf: (req) => handovers.traceIdOf(req),
    logFault: failures.fault.bind(failures),
  });
  app.locals.formTargets = () => deps.entra.origins();
  app.locals.product = deps.product;
  app.locals.traceViewerUrl = deps.config.traceViewerUrl;
  return { app, front };
}

/** The keys by which upstreams check what they are told of people, and what gateways ask before they let somebody pass. */
function addForUpstreams(routes: Router, front: Front, identities: Identities): void {
  const caching = `public, max-age=${jwksSeconds}`;
  const respond: RequestHandler = (_req, res) => void res.set('Cache-Control', caching).json(identities.jwks());
  routes.route('/auth/jwks.json').get(respond).all(onlyMethods('GET', 'HEAD'));
  // A gateway asks by the method of the request that it asks about.
  routes.route('/auth/verify{/*path}').all((req, res) => front.verify(req, res));
}

/** The sample's pages: a navigation from anywhere may open them; they change nothing. */
function addPages(routes: Router, handlers: Handlers, { apis }: AppDeps): void {
  // They are those of the sample API; without it they call the first API.
  const sampleName = Object.hasOwn(apis, 'downstream-api') ? 'downstream-api' : (Object.keys(apis)[0] ?? '');
  const person = createPerson(handlers);
  const readOnly = onlyMethods('GET', 'HEAD');
  routes.use((req, res, next) => {
    endUnreadUpload(req, res);
    next();
  });
  routes.route('/').get(person.home).all(readOnly);
  routes.route('/profile').get(person.profile).all(readOnly);
  for (const path of callPaths)
    routes
      .route(path)
      .get(async (req, res) => {
        const shown = await handlers.api.callForPage(sampleName, path, req, res);
        if (shown) sendPage(res, apiResponse({ ...shown, path }));
      })
      .all(readOnly);
}
