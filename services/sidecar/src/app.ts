import { createApp, type RenderFault } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { ProtectedApi } from '@onbehalf/node/api/protected-api';
import { insufficientScope } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { toGuid } from '@onbehalf/node/core/telemetry/trace-context';
import express, { type Express, type Request, type RequestHandler, type Response, Router } from 'express';
import { decodeJwt } from 'jose';
import { acquireHeader, type Tokens } from './acquire.ts';
import { readAgent } from './agent.ts';
import { badRequest, readOptions } from './api-options.ts';
import type { Config } from './config.ts';
import { callDownstream } from './downstream.ts';
import openapi from './openapi.json' with { type: 'json' };

type Deps = {
  api: Pick<ProtectedApi, 'readUser'>;
  tokens: Tokens;
  config: Config;
  logger: Logger;
};

const rawBody = express.raw({ type: () => true, limit: '4mb' });

/** The HTTP contract of Microsoft's Entra ID Auth SDK, which any program of the pod may speak. Opens nothing. */
export function createSidecar({ api, tokens, config, logger }: Deps): Express {
  const { entra, apis, allowOverrides: may, allowRedirects: followRedirects } = config;
  const routes = Router();
  routes.get('/healthz', (_req, res) => void res.type('text/plain').send('Healthy'));
  routes.use(onlyThisPod);
  routes.get('/openapi/v1.json', (_req, res) => void res.json(openapi));
  routes.get('/Validate', async (req, res) => {
    const user = await api.readUser(req);
    if (entra.scopes.length > 0 && !entra.scopes.some((scope) => user.scopes.includes(scope)))
      throw insufficientScope('The token has none of the scopes of AzureAd__Scopes.', entra.scopes.join(' '));
    const token = user.token.reveal();
    res.json({ protocol: 'Bearer', token, claims: decodeJwt(token) });
  });

  // For callers that have a token, and for any.
  for (const suffix of ['', 'Unauthenticated'] as const) {
    const read = async (req: Request, res: Response, operation: 'getauthorizationheader' | 'calldownstreamapi') => {
      const user = suffix ? undefined : await api.readUser(req);
      const configured = apis.get(String(req.params.api).toLowerCase());
      if (!configured) throw badRequest('There is no such API in DownstreamApis.');
      const query = new URL(req.url, 'http://localhost').searchParams;
      const overridable = may[`${operation}${suffix ? 'unauthenticated' : ''}`];
      const options = overridable ? readOptions(configured, query) : configured;
      const { scopes, acquiretokenoptions: { correlationid, tenant = entra.tenant } = {} } = options;
      // What the caller can look for is in our log, in the problem and at Entra ID.
      res.locals.traceId = correlationid ?? res.locals.traceId;
      if (tenant !== entra.tenant)
        throw badRequest('AcquireTokenOptions.Tenant is not the tenant of AzureAd__TenantId.');
      if (!scopes) throw badRequest('No scopes are configured for this API, nor in optionsOverride.Scopes.');
      const asked = { options, user, ...readAgent(query), traceId: String(res.locals.traceId) };
      return { options, authorize: (claims?: string) => acquireHeader(tokens, asked, claims) };
    };
    routes.get(`/AuthorizationHeader${suffix}/:api`, async (req, res) => {
      const { authorize } = await read(req, res, 'getauthorizationheader');
      res.json({ authorizationHeader: await authorize() });
    });
    routes.post(`/DownstreamApi${suffix}/:api`, rawBody, async (req, res) => {
      const { options, authorize } = await read(req, res, 'calldownstreamapi');
      res.json(await callDownstream(options, { authorize, req, followRedirects }));
    });
  }
  return createApp({ logger, routes, renderFault: renderProblem });
}

const loopback = /^(::ffff:)?127\.|^::1$/;
const thisHost = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/** The contract authenticates no caller: others than this pod are refused, and so is a page whose name resolves to it. */
const onlyThisPod: RequestHandler = (req, _res, next) => {
  if (!loopback.test(req.socket.remoteAddress ?? ''))
    throw new Fault('forbidden', 'Only programs of this pod may call the sidecar.');
  // Of two hosts none is the one, and a target in absolute form has its own.
  if (!thisHost.test(String(req.headersDistinct.host)) || !req.url.startsWith('/'))
    throw badRequest('Call the sidecar as localhost.');
  // On a developer's machine any page can send here without reading what comes back.
  if (req.headers.origin !== undefined) throw new Fault('forbidden', 'No page of a browser may call the sidecar.');
  next();
};

/** RFC 9457, which .NET calls ProblemDetails. */
const renderProblem: RenderFault = (fault, _req, res, traceId) => {
  const { error, error_description: detail, trace_id: _, ...members } = fault.toBody(traceId);
  const problem = { type: 'about:blank', title: error, status: fault.status, detail, correlation_id: toGuid(traceId) };
  res.type('application/problem+json').send(JSON.stringify({ ...problem, ...members }));
};
