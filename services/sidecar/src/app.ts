import { createApp as createChassisApp, type RenderFault } from '@onbehalf/chassis/http/http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { ProtectedApi, User } from '@onbehalf/node/api/protected-api';
import type { BrokerClient } from '@onbehalf/node/broker/client';
import { insufficientScope } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { toGuid } from '@onbehalf/node/core/telemetry/trace-context';
import express, { type Express, type Request, type RequestHandler, Router } from 'express';
import { decodeJwt } from 'jose';
import { acquireHeader } from './acquire.ts';
import { type ApiOptions, assertSupported, readOptions } from './api-options.ts';
import type { Config } from './config.ts';
import { callDownstream } from './downstream.ts';

type Deps = {
  api: Pick<ProtectedApi, 'readUser'>;
  tokens: Pick<BrokerClient, 'appToken' | 'onBehalfOf'>;
  config: Pick<Config, 'entra' | 'apis' | 'allowOverrides' | 'allowRedirects'>;
  logger: Logger;
};

type Route = { authenticated: boolean; overridable: boolean };

const maxBody = '4mb';
const agent = /^agent(identity|username|userid)$/i;

/** The HTTP contract of Microsoft's Entra ID Auth SDK, which any program of the pod may speak. Opens nothing. */
export class Sidecar {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  app(): Express {
    const { allowOverrides: may } = this.#deps.config;
    const routes = Router();
    routes.get('/healthz', (_req, res) => void res.type('text/plain').send('Healthy'));
    routes.use(onlyThisPod);
    routes.get('/Validate', this.#validate);
    const header = (authenticated: boolean, overridable: boolean) => this.#header({ authenticated, overridable });
    routes.get('/AuthorizationHeader/:api', header(true, may.getauthorizationheader));
    routes.get('/AuthorizationHeaderUnauthenticated/:api', header(false, may.getauthorizationheaderunauthenticated));
    const body = express.raw({ type: () => true, limit: maxBody });
    const call = (authenticated: boolean, overridable: boolean) => this.#call({ authenticated, overridable });
    routes.post('/DownstreamApi/:api', body, call(true, may.calldownstreamapi));
    routes.post('/DownstreamApiUnauthenticated/:api', body, call(false, may.calldownstreamapiunauthenticated));
    return createChassisApp({ logger: this.#deps.logger, routes, renderFault: renderProblem });
  }

  readonly #validate: RequestHandler = async (req, res) => {
    const { api, config } = this.#deps;
    const user = await api.readUser(req);
    const accepted = config.entra.scopes;
    if (accepted.length > 0 && !accepted.some((scope) => user.scopes.includes(scope)))
      throw insufficientScope('The token has none of the scopes of AzureAd__Scopes.', accepted.join(' '));
    const token = user.token.reveal();
    res.json({ protocol: 'Bearer', token, claims: decodeJwt(token) });
  };

  #header(route: Route): RequestHandler {
    return async (req, res) => {
      const { options, user } = await this.#read(req, route);
      res.json({ authorizationHeader: await acquireHeader(this.#deps.tokens, user, options) });
    };
  }

  #call(route: Route): RequestHandler {
    return async (req, res) => {
      const { options, user } = await this.#read(req, route);
      const authorization = await acquireHeader(this.#deps.tokens, user, options);
      const body = Buffer.isBuffer(req.body) && req.body.length > 0 ? req.body : undefined;
      const contentType = req.headers['content-type'];
      const followRedirects = this.#deps.config.allowRedirects;
      res.json(await callDownstream(options, { authorization, body, contentType, followRedirects }));
    };
  }

  async #read(req: Request, route: Route): Promise<{ options: ApiOptions; user: User | undefined }> {
    const { api, config } = this.#deps;
    const user = route.authenticated ? await api.readUser(req) : undefined;
    const section = config.apis.get(String(req.params.api).toLowerCase());
    if (!section) throw new Fault('invalid_request', 'There is no such API in DownstreamApis.');
    const query = new URL(req.url, 'http://localhost').searchParams;
    const options = readOptions(section, route.overridable ? query : new URLSearchParams());
    assertSupported(options, config.entra.tenant);
    if (options.scopes.length === 0)
      throw new Fault('invalid_request', 'No scopes are configured for this API, nor in optionsOverride.Scopes.');
    if (route.overridable && [...query.keys()].some((name) => agent.test(name)))
      throw new Fault('invalid_request', 'Agent identities are not supported.');
    return { options, user };
  }
}

const loopback = /^(::ffff:)?127\.|^::1$/;
const thisHost = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/** The contract authenticates no caller: others than this pod are refused, and so is a page whose name resolves to it. */
const onlyThisPod: RequestHandler = (req, _res, next) => {
  if (!loopback.test(req.socket.remoteAddress ?? ''))
    throw new Fault('forbidden', 'Only programs of this pod may call the sidecar.');
  if (!thisHost.test(req.headers.host ?? '')) throw new Fault('invalid_request', 'Call the sidecar as localhost.');
  next();
};

/** RFC 9457, which .NET calls ProblemDetails. */
const renderProblem: RenderFault = (fault, _req, res, traceId) => {
  const { error, error_description: detail, trace_id: _, ...members } = fault.toBody(traceId);
  const correlation_id = toGuid(traceId);
  res.type('application/problem+json');
  res.send(
    JSON.stringify({ type: 'about:blank', title: error, status: fault.status, detail, ...members, correlation_id }),
  );
};
