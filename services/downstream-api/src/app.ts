import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { type Bearer, requireAuthContext, requireRole, requireScope } from '@onbehalf/node/api/bearer';
import { onlyBearerHeader } from '@onbehalf/node/api/bearer-header';
import { type Express, type Request, Router, urlencoded } from 'express';
import type { Graph } from './graph.ts';

type Deps = { bearer: Bearer; graph: Graph; logger: Logger };

/** The scope that the web app asks for when it calls this API for its user. */
const delegatedScope = 'access_as_user';
/** The role that an app needs to read reports on its own behalf. */
const reportsRole = 'Reports.Read';
/** The authentication context that pay slips ask for: a Conditional Access policy says what a person must do for it. */
const payrollContext = 'c1';

/** Four routes, one for each way in which a token decides. Opens nothing. */
export function createApp({ bearer, graph, logger }: Deps): Express {
  const routes = Router();
  const readToken = (req: Request) => bearer(req.headers.authorization);
  const readUser = async (req: Request) => {
    const user = await readToken(req);
    requireScope(user, delegatedScope);
    return user;
  };

  // No route takes a form; it is read only to refuse a token in it.
  routes.use(urlencoded({ extended: false, limit: '16kb' }), onlyBearerHeader);

  routes.route('/whoami').get(async (req, res) => {
    const user = await readUser(req);
    res.json({
      name: user.name,
      username: user.preferred_username,
      object_id: user.oid,
      tenant_id: user.tid,
      client_id: user.azp,
      scopes: user.scopes,
    });
  });

  routes.route('/graph/me').get(async (req, res) => {
    const user = await readUser(req);
    res.json(await graph.me(user.token, res.locals.traceId));
  });

  routes.route('/payroll').get(async (req, res) => {
    const user = await readUser(req);
    requireAuthContext(user, payrollContext);
    res.json({ name: user.name, pay_slips: [{ month: '2026-10', net: { amount: '3120.50', currency: 'EUR' } }] });
  });

  routes.route('/reports').get(async (req, res) => {
    const app = await readToken(req);
    requireRole(app, reportsRole);
    res.json({ client_id: app.azp, reports: [{ month: '2026-10', sign_ins: 1_204 }] });
  });

  routes.all(['/whoami', '/graph/me', '/payroll', '/reports'], onlyMethods('GET', 'HEAD'));
  return createChassisApp({ logger, routes });
}
