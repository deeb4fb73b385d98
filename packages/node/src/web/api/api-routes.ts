import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ConfigError } from '../../core/config-error.ts';
import { Fault } from '../../core/fault.ts';
import type { Log } from '../../core/log.ts';
import { Outages } from '../../core/outages.ts';
import { timeoutError } from '../../core/reason.ts';
import { toOurs } from '../../core/telemetry/client-span.ts';
import { pageMs } from '../../lifetimes.ts';
import { type Apis, scopesFor } from '../apis/apis.ts';
import type { Broker } from '../broker/broker.ts';
import { pathOf, targetOf, type WebRequest } from '../http/request.ts';
import { sendJson, setHeaders, traceIdOf, type WebResponse } from '../http/response.ts';
import type { FailureLog } from '../pages/failure-log.ts';
import { redirect } from '../pages/redirect.ts';
import { locationOf } from '../session/location.ts';
import { type Session, type Sessions, short } from '../session/session.ts';
import type { OidcClient } from '../sign-in/oidc.ts';
import type { StepUpLinks } from '../step-up/step-up.ts';
import { requestApi } from './api-request.ts';
import { apiTarget, isSafe, isToRun, requestParts, responseHeaders } from './api-wire.ts';
import { callApi, nodeReading, toStepUp } from './call-api.ts';

type ApiDeps = {
  apis: Apis;
  broker: Broker;
  entra: Pick<OidcClient, 'graph'>;
  failures: FailureLog;
  logger: Log;
  sessions: Sessions;
  stepUpLinks: StepUpLinks;
};

/** An API's response, as much of it as a page shows. */
export type Shown = { status: number; text: string };

type Target = { name: string; path: string; query: string };

/** `withinMs`: how long the response may take to begin, and a page's to end. */
type Sending = { withinMs: number | undefined; headers?: OutgoingHttpHeaders };

/** A page shows so much of a response. */
const maxShownBytes = 65_536;

/** Calls of APIs on behalf of the person: for a page that shows the response, and by `/api/*` for scripts. */
export class ApiRoutes {
  readonly #deps: ApiDeps;
  readonly #outages: Outages;

  constructor(deps: ApiDeps) {
    this.#deps = deps;
    this.#outages = new Outages(deps.logger);
  }

  /**
   * A page's call of an API by the page's own method. Returns the response's status and text; undefined where the person
   * was sent to sign in, or to do what the API asks for.
   */
  async callForPage(name: string, path: string, req: WebRequest, res: WebResponse): Promise<Shown | undefined> {
    const session = await this.#deps.sessions.read(req, res);
    if (!session) {
      const returnTo = encodeURIComponent(locationOf(req).address(pathOf(req))).replaceAll('%2F', '/');
      redirect(res, `/sign-in?return_to=${returnTo}`);
      return undefined;
    }
    const target = { name, path, query: '' };
    // A page shows text: it asks for no other encoding.
    const patience = { withinMs: pageMs, headers: { 'accept-encoding': 'identity' } };
    const { called, ...rest } = await this.#call(req, res, session, target, patience);
    if (called.kind !== 'response') {
      await this.#deps.stepUpLinks.respondToPage(req, res, { session, stepUp: toStepUp(called), ...rest });
      return undefined;
    }
    const { statusCode: status = 502 } = called.response;
    if (status >= 400) this.#deps.failures.api(name, status, traceIdOf(res));
    return { status, text: await readText(called.response) };
  }

  /** Streams a script's request to an API and the response back, with the token that the script never sees. */
  async proxy(req: WebRequest, res: WebResponse): Promise<void> {
    if (isToRun(req)) throw new Fault('forbidden', 'What an API sends is data: no page may run it.');
    const to = apiTarget(targetOf(req));
    if (!to) throw new Fault('not_found', 'There is nothing at this address.');
    const location = locationOf(req);
    const session = await this.#deps.sessions.read(req, res);
    if (!session) {
      res.statusCode = 401;
      setHeaders(res, { 'Cache-Control': 'no-store' });
      return sendJson(res, {
        error: 'login_required',
        sign_in: location.address('/sign-in'),
        trace_id: traceIdOf(res),
      });
    }
    const { called, patience, ...rest } = await this.#call(req, res, session, to, { withinMs: waitOf(req) });
    // It is for the response to begin; a download may last.
    clearTimeout(patience);
    if (called.kind !== 'response') {
      return this.#deps.stepUpLinks.respondToScript(res, { session, stepUp: toStepUp(called), ...rest });
    }
    res.writeHead(
      called.response.statusCode ?? 502,
      responseHeaders(called.response, {
        ...rest,
        method: req.method ?? '',
        session,
        at: location.address(`/api/${to.name}`),
      }),
    );
    await pipeline(called.response, res).catch((error) => {
      // Half a response is cut, so that nobody takes it for a whole one; a browser that leaves has the same effect.
      this.#deps.logger.info({ event: 'api.response_cut', trace_id: traceIdOf(res), error });
    });
  }

  /** Calls the API with the request's session. Returns the result, with what a step-up needs. */
  async #call(req: WebRequest, res: WebResponse, session: Session, to: Target, { withinMs, headers: more }: Sending) {
    const { apis, broker, entra, sessions } = this.#deps;
    const api = Object.hasOwn(apis, to.name) ? apis[to.name] : undefined;
    const scopes = api && scopesFor(api, req.method ?? '', to.path);
    if (!api || !scopes) throw new Fault('not_found', 'There is nothing at this address.');
    const traceId = traceIdOf(res);
    const { headers, body } = requestParts(req, session, api.allowRequestHeaders);
    if (body?.readableEnded)
      throw new ConfigError('A body parser has read what is to be sent on: onbehalf() comes first.');
    const url = new URL(`${api.url}${to.path}${to.query}`);
    const over = new AbortController();
    const late = () => over.abort(timeoutError('no response in time'));
    const patience = withinMs === undefined ? undefined : setTimeout(late, withinMs);
    res.once('close', () => over.abort()).once('close', () => clearTimeout(patience));
    const outage = this.#outages.of(to.name);
    const target = short(`${to.name}${to.path}`);
    const send = (accessToken: string) =>
      toOurs(traceId, (traced) =>
        requestApi({
          ...{ url, method: req.method ?? '', body, signal: over.signal, silenceMs: api.silenceSeconds * 1_000 },
          headers: { ...headers, ...more, authorization: `Bearer ${accessToken}`, ...traced },
        }),
      ).then(
        (response) => {
          outage.up();
          return response;
        },
        (error) => {
          // A browser that leaves says nothing of the API.
          if (!res.closed) outage.down(error instanceof Fault ? error.cause : error);
          throw error;
        },
      );
    const calling = callApi(
      { broker, apis, graph: entra.graph },
      { session, target, scopes, repeatable: isSafe(req.method), traceId, send, ...nodeReading },
    );
    const called = await Promise.race([calling, silent(over.signal)]);
    if (called.kind === 'ended') sessions.clear(res);
    return { called, patience, target, scopes, api, url };
  }
}

/** How long a script waits for a response to begin, if it says so: it asks again and shows its person that it does. RFC 7240 section 4.3. */
function waitOf({ headers }: WebRequest): number | undefined {
  const [, seconds] = /(?:^|[\s,;])wait=(\d{1,4})(?:[\s,;]|$)/i.exec(String(headers.prefer ?? '')) ?? [];
  return seconds === undefined ? undefined : Math.max(1, Number(seconds)) * 1_000;
}

/** @throws Fault `unavailable` when the wait is over. */
function silent(over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const message = 'The service behind this page cannot be reached.';
    const fail = () => reject(new Fault('unavailable', message, { cause: over.reason, retryAfterSeconds: 2 }));
    over.addEventListener('abort', fail, { once: true });
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxShownBytes) break;
    }
  } catch (cause) {
    throw new Fault('unavailable', 'The service behind this page broke off.', { cause, retryAfterSeconds: 2 });
  }
  const text = Buffer.concat(chunks).subarray(0, maxShownBytes).toString();
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // Not JSON: shown as it came.
    return text;
  }
}
