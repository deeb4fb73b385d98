import { createApp as createChassisApp, onlyMethods } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import {
  bearer,
  onBehalfOf,
  type ProtectedApi,
  requireAuthContext,
  requireRole,
  requireScope,
  userOf,
} from '@onbehalf/node/api';
import { onlyBearerHeader } from '@onbehalf/node/api/bearer-header';
import { type Express, Router, urlencoded } from 'express';
import type { Graph } from './graph.ts';

type Deps = { api: ProtectedApi; graph: Graph; graphScope: string; logger: Logger };

/** The scope that the web app asks for when it calls this API for its user. */
const delegatedScope = 'access_as_user';
/** The role that an app needs to read reports on its own behalf. */
const reportsRole = 'Reports.Read';
/** The authentication context that pay slips ask for: a Conditional Access policy says what a person must do for it. */
const payrollContext = 'c1';

/** Four routes, one for each way in which a token decides. Opens nothing. */
export function createApp({ api, graph, graphScope, logger }: Deps): Express {
  const routes = Router();
  const token = bearer(api, { passOn: true });
  const user = requireScope(delegatedScope);

  // No route takes a form; it is read only to refuse a token in it.
  routes.use(urlencoded({ extended: false, limit: '16kb' }), onlyBearerHeader);

  routes.route('/whoami').get(token, user, (req, res) => {
    const { name, preferred_username: username, oid, tid, azp, scopes } = userOf(req);
    res.json({ name, username, object_id: oid, tenant_id: tid, client_id: azp, scopes });
  });

  routes.route('/graph/me').get(token, user, async (req, res) => {
    res.json(await graph.me(await onBehalfOf(req, graphScope, res.locals.traceId)));
  });

  routes.route('/payroll').get(token, user, requireAuthContext(payrollContext), (req, res) => {
    const payslip = { month: '2026-10', net: { amount: '3120.50', currency: 'EUR' } };
    res.json({ name: userOf(req).name, pay_slips: [payslip] });
  });

  routes.route('/reports').get(token, requireRole(reportsRole), (req, res) => {
    res.json({ client_id: userOf(req).azp, reports: [{ month: '2026-10', sign_ins: 1_204 }] });
  });

  routes.all(['/whoami', '/graph/me', '/payroll', '/reports'], onlyMethods('GET', 'HEAD'));
  return createChassisApp({ logger, routes });
}
