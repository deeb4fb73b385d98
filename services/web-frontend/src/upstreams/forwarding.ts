import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import type { Log } from '@onbehalf/node/core/log';
import { Outages } from '@onbehalf/node/core/outages';
import { toOurs } from '@onbehalf/node/core/telemetry/client-span';
import { requestApi } from '@onbehalf/node/web/api/api-request';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import { parseStepUp } from '@onbehalf/node/web/broker/challenge';
import type { Session, Sessions } from '@onbehalf/node/web/session/session';
import type { Upstream } from './file/upstreams-file.ts';
import type { OpenStreams } from './open-streams.ts';
import type { Admission } from './people/admission.ts';
import type { Identities } from './people/identities.ts';
import type { Refusal } from './refusals.ts';
import type { Arrival } from './wire/arrival.ts';
import { requestHeaders } from './wire/request-headers.ts';
import { responseHeaders } from './wire/response-headers.ts';

type Admitted = Extract<Admission, { kind: 'nobody' | 'person' }>;
type Forwarded = { upstream: Upstream; admission: Admitted; traceId: string };

type ForwardingDeps = {
  arrivalOf: (req: IncomingMessage) => Arrival;
  identities: Identities;
  logger: Log;
  sessions: Sessions;
  streams: OpenStreams;
};

/** Sends requests on to upstreams, and their responses back, as streams. */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  readonly #outages: Outages;
  readonly #origins = new Map<string, URL>();

  constructor(deps: ForwardingDeps) {
    this.#deps = deps;
    this.#outages = new Outages(deps.logger);
  }

  /**
   * Streams both ways until either side ends. Gives the step-up that the upstream asks for, if it does.
   * @throws Fault as `requestApi`, before anything was sent to the browser.
   */
  async forward(req: IncomingMessage, res: ServerResponse, forwarded: Forwarded): Promise<Refusal | undefined> {
    const { upstream, admission } = forwarded;
    const { sessions, streams } = this.#deps;
    const person = admission.kind === 'person' ? admission : undefined;
    if (person)
      res.once(
        'close',
        streams.add(person.session.token, () => res.destroy()),
      );
    const response = await this.#send(req, res, forwarded);
    const claims = upstream.pass === 'token' && person && claimsOf(response);
    if (claims) {
      response.resume();
      return { kind: 'step_up', session: person.session, stepUp: { kind: 'claims', claims }, scopes: person.scopes };
    }
    const { require, pass, identityHeaders, url = '' } = upstream;
    const personal = require === 'session' || pass !== 'none' || identityHeaders;
    const about = { method: req.method, person: person?.session, personal, origin: url };
    const headers = responseHeaders(response, about);
    if (person?.stale) headers.push('Set-Cookie', await sealedAnew(sessions, res, person.session));
    res.writeHead(response.statusCode ?? 502, response.statusMessage, headers);
    // Without a length the first part may be long in coming, as of an event stream: the head does not wait for it.
    if (response.headers['content-length'] === undefined) res.flushHeaders();
    // Half a response is cut, so that nobody takes it for a whole one.
    response.once('error', () => res.destroy()).pipe(res);
    return undefined;
  }

  async #send(req: IncomingMessage, res: ServerResponse, { upstream, admission, traceId }: Forwarded) {
    const { arrivalOf, identities } = this.#deps;
    const outage = this.#outages.of(upstream.name);
    const changes = !isSafe(req.method);
    const headers = requestHeaders(req, arrivalOf(req), changes);
    headers.push(...(await identities.headers(upstream, admission)));
    const hasBody =
      changes && (req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length']) > 0);
    const request = {
      ...{ url: this.#urlOf(upstream), path: req.url ?? '/', method: req.method ?? 'GET', forResponse: res },
      ...{ body: hasBody ? req : undefined, silenceMs: upstream.silenceSeconds * 1_000 },
    };
    try {
      const response = await toOurs(traceId, (traced) => {
        for (const [name, value] of Object.entries(traced)) headers.push(name, value);
        return requestApi({ ...request, headers });
      });
      outage.up();
      return response;
    } catch (error) {
      // A browser that leaves says nothing of the upstream.
      if (!res.closed) outage.down(error instanceof Fault ? error.cause : error);
      throw error;
    }
  }

  #urlOf({ name, url = '' }: Upstream): URL {
    const known = this.#origins.get(name) ?? new URL(url);
    this.#origins.set(name, known);
    return known;
  }
}

/** The line of `Set-Cookie`: it goes with the upstream's headers, which are written at once. */
async function sealedAnew(sessions: Sessions, res: ServerResponse, session: Session): Promise<string> {
  await sessions.write(res, session);
  const line = String(res.getHeader('Set-Cookie'));
  res.removeHeader('Set-Cookie');
  return line;
}

/** The claims that an upstream asks for in place of its response. Learn: "Claims challenges". */
function claimsOf({ statusCode, headers }: IncomingMessage): string | undefined {
  return statusCode === 401 || statusCode === 403 ? parseStepUp(headers['www-authenticate'])?.claims : undefined;
}
