import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Fault, toFault } from '@onbehalf/node/core/fault';
import type { Log } from '@onbehalf/node/core/log';
import { nameRoute } from '@onbehalf/node/core/telemetry/request-facts';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import type { Apis } from '@onbehalf/node/web/apis/apis';
import type { Broker } from '@onbehalf/node/web/broker/broker';
import { targetOf, type WebRequest } from '@onbehalf/node/web/http/request';
import { sendJson, setHeaders, traceIdOf, type WebResponse } from '@onbehalf/node/web/http/response';
import { createTrust } from '@onbehalf/node/web/network/client-network';
import type { FailureLog } from '@onbehalf/node/web/pages/failure-log';
import { refuseDoubledCookies } from '@onbehalf/node/web/session/cookies';
import { locationOf } from '@onbehalf/node/web/session/location';
import type { Locations } from '@onbehalf/node/web/session/locations';
import { type Sessions, short } from '@onbehalf/node/web/session/session';
import type { OidcClient } from '@onbehalf/node/web/sign-in/oidc';
import type { StepUpLinks } from '@onbehalf/node/web/step-up/step-up';
import type { RequestHandler } from 'express';
import { type Found, UpstreamTable } from './file/upstream-table.ts';
import type { Upstream } from './file/upstreams-file.ts';
import { serveFiles } from './files.ts';
import { ForwardAuth } from './forward-auth.ts';
import { Forwarding } from './forwarding.ts';
import type { Handovers } from './handovers.ts';
import { OpenStreams } from './open-streams.ts';
import { Admissions } from './people/admission.ts';
import type { Identities } from './people/identities.ts';
import { type Refusal, refuse } from './refusals.ts';
import { isWebSocket, WebSockets } from './web-sockets.ts';
import { createArrivals } from './wire/arrival.ts';
import { isLoop } from './wire/request-headers.ts';

type FrontDeps = {
  apis: Apis;
  broker: Broker;
  entra: Pick<OidcClient, 'origins'>;
  failures: FailureLog;
  handovers: Handovers;
  identities: Identities;
  logger: Log;
  nowMs: () => number;
  locations: Locations;
  sessions: Sessions;
  stepUpLinks: StepUpLinks;
  trustedProxies: readonly string[];
  upstreams: readonly Upstream[];
};

/** What stands between browsers and the upstreams. What is of no upstream, and each refusal, is the app's to respond to. */
export class Front implements Disposable {
  readonly #deps: FrontDeps;
  readonly #table: UpstreamTable;
  readonly #admissions: Admissions;
  readonly #forwarding: Forwarding;
  readonly #files: ReadonlyMap<string, RequestHandler>;
  readonly #streams: OpenStreams;
  readonly #forwardAuth: ForwardAuth;
  readonly #webSockets: WebSockets;

  constructor(deps: FrontDeps) {
    const { logger, trustedProxies, upstreams } = deps;
    this.#deps = deps;
    this.#table = new UpstreamTable(upstreams);
    this.#admissions = new Admissions(deps);
    const streams = new OpenStreams({ lives: this.#admissions.lives.bind(this.#admissions), logger });
    this.#streams = streams;
    deps.broker.onEnd((token) => streams.end(token));
    const arrivalOf = createArrivals({ logger, trustedProxies });
    this.#forwarding = new Forwarding({ ...deps, arrivalOf, streams });
    this.#webSockets = new WebSockets({ ...deps, admissions: this.#admissions, arrivalOf, streams });
    const isTrusted = createTrust(trustedProxies);
    this.#forwardAuth = new ForwardAuth({ ...deps, admissions: this.#admissions, isTrusted, table: this.#table });
    const folders = upstreams.filter(({ folder }) => folder !== undefined);
    this.#files = new Map(folders.map((upstream) => [upstream.name, serveFiles(upstream, () => deps.entra.origins())]));
  }

  /** The listener for the app's server. */
  listener(app: RequestListener): RequestListener {
    const { handovers, locations } = this.#deps;
    return (req, res) => {
      // Without a location it is the app that refuses it.
      if (!locations.tryToChoose(req).location) return app(req, res);
      const found = this.#find(req);
      if (found.kind === 'ours') return app(req, res);
      const traceId = newTraceId();
      const route = found.kind === 'upstream' ? `upstream ${found.upstream.name}` : 'upstream';
      nameRoute(route);
      const handOver = (respond: RequestHandler) => {
        // A response that has begun cannot become another: it is cut, so that nobody takes it for a whole one.
        if (res.headersSent || res.closed) return void res.destroy();
        handovers.set(req, { traceId, route, respond });
        app(req, res);
      };
      const fail = (error: unknown) =>
        handOver(() => {
          throw error;
        });
      if (found.kind === 'refused') return fail(new Fault('not_found', 'There is nothing at this address.'));
      this.#serve(req, res, found.upstream, traceId).then((respond) => respond && handOver(respond), fail);
    };
  }

  /** Responds to gateways that ask at the public listener, which browsers reach too: no token is given here. */
  verify(req: WebRequest, res: WebResponse): Promise<void> {
    return this.#forwardAuth.respond(req, res, false);
  }

  /** The listener that only gateways reach: tokens are given here. */
  readonly verifyListener: RequestListener = (req, res) => {
    nameRoute('/auth/verify');
    this.#forwardAuth.respond(req, res, true).catch((error) => {
      const fault = toFault(error);
      this.#deps.failures.fault(fault, 'GET /auth/verify', traceIdOf(res));
      if (res.headersSent) return void res.destroy();
      res.statusCode = fault.status;
      setHeaders(res, fault.toHeaders());
      sendJson(res, fault.toBody(traceIdOf(res)));
    });
  };

  /** Has a server take WebSockets to upstreams; every other upgrade is a request like any other. */
  readonly upgrades = {
    shouldUpgrade: (req: IncomingMessage): boolean => {
      const { locations } = this.#deps;
      if (!isWebSocket(req) || !locations.tryToChoose(req).location) return false;
      const found = this.#find(req);
      return found.kind === 'upstream' && found.upstream.url !== undefined;
    },
    upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const found = this.#find(req);
      if (found.kind !== 'upstream') return void socket.destroy();
      void this.#webSockets.connect(req, socket, head, found.upstream, callOf(found.upstream));
    },
  };

  /** Closes the WebSockets: the server would wait for them for ever. */
  [Symbol.dispose](): void {
    this.#webSockets[Symbol.dispose]();
    this.#streams[Symbol.dispose]();
  }

  /** Serves a request, or gives what the app is to respond. */
  async #serve(req: IncomingMessage, res: ServerResponse, upstream: Upstream, traceId: string) {
    refuseDoubledCookies(req);
    if (isLoop(req)) throw new Fault('bad_gateway', 'The service behind this page gave no response that can be used.');
    if (req.method === 'TRACE') {
      throw new Fault('method_not_allowed', 'This address does not take that method.', { allow: 'GET, HEAD' });
    }
    const target = callOf(upstream);
    const admission = await this.#admissions.admit(req, { upstream, target, traceId });
    if (admission.kind !== 'nobody' && admission.kind !== 'person') return this.#refusal(admission, target);
    if (admission.kind === 'person') refuseForeign(req);
    const files = this.#files.get(upstream.name);
    if (files) return files;
    const refused = await this.#forwarding.forward(req, res, { upstream, admission, traceId });
    return refused && this.#refusal(refused, target);
  }

  #find(req: IncomingMessage): Found {
    return this.#table.find({ url: targetOf(req), headers: req.headers });
  }

  #refusal(refusal: Refusal, target: string): RequestHandler {
    return (req, res) => refuse(req, res, refusal, { ...this.#deps, target });
  }
}

/** A step-up for an upstream is kept under it. */
const callOf = ({ name }: Upstream) => short(`upstream ${name}`);

/**
 * A change in a person's name comes from our own pages only: a browser says where a request comes from.
 * @throws Fault `forbidden`.
 */
function refuseForeign(req: IncomingMessage): void {
  const { method, headers } = req;
  if (isSafe(method) || method === 'OPTIONS') return;
  const { origin, 'sec-fetch-site': site } = headers;
  const foreign =
    (origin !== undefined && origin !== locationOf(req).origin) || /^(cross|same)-site$/.test(String(site ?? ''));
  if (foreign) throw new Fault('forbidden', 'This request must come from a page of this site.');
}
