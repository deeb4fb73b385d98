import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { Fault, toFault } from '@onbehalf/node/core/fault';
import { timeoutError } from '@onbehalf/node/core/reason';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import type { FailureLog } from '@onbehalf/node/web/pages/failure-log';
import { refuseDoubledCookies } from '@onbehalf/node/web/session/cookies';
import { locationOf } from '@onbehalf/node/web/session/location';
import type { Upstream } from './file/upstreams-file.ts';
import type { OpenStreams } from './open-streams.ts';
import type { Admission, Admissions } from './people/admission.ts';
import type { Identities } from './people/identities.ts';
import type { Arrival } from './wire/arrival.ts';
import { isLoop, requestHeaders } from './wire/request-headers.ts';
import { responseHeaders } from './wire/response-headers.ts';

type WebSocketsDeps = {
  admissions: Admissions;
  arrivalOf: (req: IncomingMessage) => Arrival;
  failures: Pick<FailureLog, 'fault'>;
  identities: Identities;
  streams: OpenStreams;
};

type Opening = { req: IncomingMessage; upstream: Upstream; admission: Admission };

/** Whether a request asks for a WebSocket. RFC 6455 section 4.1. */
export const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && /^websocket$/i.test(headers.upgrade ?? '');

/** WebSockets to upstreams: opened for pages of ours only, and for people with a session; then bytes pass both ways. */
export class WebSockets implements Disposable {
  readonly #deps: WebSocketsDeps;
  readonly #open = new Set<Duplex>();

  constructor(deps: WebSocketsDeps) {
    this.#deps = deps;
  }

  /** Opens one, or responds why not: a 401 as of `/api`, or another Fault as JSON. */
  async connect(req: IncomingMessage, socket: Duplex, head: Buffer, upstream: Upstream, target: string): Promise<void> {
    const traceId = newTraceId();
    socket.on('error', () => socket.destroy());
    try {
      refuseDoubledCookies(req);
      refuseForeign(req, upstream);
      const admission = await this.#deps.admissions.admit(req, { upstream, target, traceId });
      if (admission.kind !== 'nobody' && admission.kind !== 'person') {
        const body = { error: 'login_required', sign_in: locationOf(req).address('/sign-in'), trace_id: traceId };
        return respond(socket, 401, {}, body);
      }
      await this.#relay({ req, upstream, admission }, socket, head);
    } catch (error) {
      const fault = toFault(error);
      this.#deps.failures.fault(fault, `upstream ${upstream.name}`, traceId);
      respond(socket, fault.status, fault.toHeaders(), fault.toBody(traceId));
    }
  }

  /** Closes all that are open: their pages connect again, to a process that stays. */
  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Resolves when the upstream has responded. @throws Fault `unavailable`. */
  async #relay({ req, upstream, admission }: Opening, socket: Duplex, head: Buffer): Promise<void> {
    const { arrivalOf, identities, streams } = this.#deps;
    const headers = [...requestHeaders(req, arrivalOf(req), false), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    headers.push(...(await identities.headers(upstream, admission)));
    const url = new URL(upstream.url ?? '');
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const outgoing = send(url, { path: req.url, headers, timeout: upstream.silenceSeconds * 1_000 });
    const session = admission.kind === 'person' ? admission.session : undefined;
    const about = { method: 'GET', person: session, personal: false, origin: url.origin };
    socket.once('close', () => outgoing.destroy());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    outgoing.once('timeout', () => outgoing.destroy(timeoutError('silent for too long')));
    outgoing.once('error', (cause) => reject(unavailable(cause)));
    outgoing.once('upgrade', (response, behind, first) => {
      resolve();
      if (socket.destroyed) return void behind.destroy();
      socket.write(headOf(101, ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...responseHeaders(response, about)]));
      behind.write(head);
      socket.write(first);
      this.#join(socket, behind, upstream.idleSeconds * 1_000);
      if (session)
        socket.once(
          'close',
          streams.add(session.token, () => socket.destroy()),
        );
    });
    // It does not want one: it says why, and that is all.
    outgoing.once('response', (response) => {
      resolve();
      const { statusCode = 502 } = response;
      socket.write(headOf(statusCode, ['Connection', 'close', ...responseHeaders(response, about)]));
      response.on('error', () => socket.destroy()).pipe(socket);
    });
    outgoing.end();
    await promise;
  }

  #join(one: Duplex & { setTimeout?: (ms: number) => void }, other: Duplex, idleMs: number): void {
    const end = () => {
      one.destroy();
      other.destroy();
      this.#open.delete(one);
    };
    this.#open.add(one);
    // What passes passes both sockets, so that one of them knows.
    one.setTimeout?.(idleMs);
    for (const each of [one, other]) each.on('timeout', end).on('error', end).once('close', end);
    one.pipe(other);
    other.pipe(one);
  }
}

/**
 * A browser sends the cookies of its person with every WebSocket, whoever's page opens it, and says whose in `Origin`.
 * RFC 6455 section 10.2. @throws Fault `forbidden`, or `bad_gateway` for a request that has been here.
 */
function refuseForeign(req: IncomingMessage, { require }: Upstream): void {
  const { origin } = req.headers;
  const foreign = origin === undefined ? require === 'session' : origin !== locationOf(req).origin;
  if (foreign) throw new Fault('forbidden', 'This request must come from a page of this site.');
  if (isLoop(req)) throw new Fault('bad_gateway', 'The service behind this page gave no response that can be used.');
}

function unavailable(cause: Error): Fault {
  return new Fault('unavailable', 'The service behind this page cannot be reached.', { cause, retryAfterSeconds: 2 });
}

function headOf(status: number, headers: readonly string[]): string {
  const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}\r\n`] : []));
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`;
}

function respond(socket: Duplex, status: number, headers: Record<string, string>, body: object): void {
  const text = JSON.stringify(body);
  const all = { 'Cache-Control': 'no-store', ...headers, 'Content-Type': 'application/json; charset=utf-8' };
  const length = String(Buffer.byteLength(text));
  socket.end(headOf(status, [...Object.entries(all).flat(), 'Content-Length', length, 'Connection', 'close']) + text);
}
