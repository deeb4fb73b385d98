import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline as pipe, type Readable } from 'node:stream';
import { startCall } from '@onbehalf/chassis/client-span';
import { Fault } from '@onbehalf/chassis/fault';
import { isSafe } from './api-wire.ts';
import { apiSilenceMs } from './lifetimes.ts';

type ApiRequest = {
  url: URL;
  method: string;
  headers: OutgoingHttpHeaders;
  /** Streamed to the API as it comes. */
  body?: Readable | undefined;
  /** Ends the request, and the answer's body with it. */
  signal: AbortSignal;
  /** How long nothing may come or go. */
  silenceMs?: number;
};

/**
 * Sends a request to an API and resolves with its answer's head, whatever the status; a redirect is an answer like any
 * other. Of an answer that came, the body is a stream that fails when it stalls.
 * @throws Fault `unavailable` if the API cannot be reached, or is silent for too long.
 */
export function requestApi(request: ApiRequest): Promise<IncomingMessage> {
  const { url, method, headers, body, signal, silenceMs = apiSilenceMs } = request;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const call = startCall(method, url);
  const outgoing = send(url, { method, headers: { ...headers, ...call.headers }, signal, timeout: silenceMs });
  outgoing.once('timeout', () => outgoing.destroy(new Error('silent for too long')));
  outgoing.once('response', (incoming) => {
    call.answered(incoming.statusCode ?? 0);
    incoming.once('close', () => call.end(incoming.complete ? undefined : new Error('cut')));
    resolve(incoming);
  });
  outgoing.on('error', (cause: NodeJS.ErrnoException) => {
    call.end(cause);
    // The API closed an idle connection just as we took it up again: nothing was read, another one serves.
    const stale = outgoing.reusedSocket && cause.code === 'ECONNRESET' && isSafe(method);
    if (stale) resolve(requestApi(request));
    else reject(unreachable(cause));
  });
  // The error handler above hears of both ends.
  if (body) pipe(body, outgoing, () => undefined);
  else outgoing.end();
  return promise;
}

function unreachable(cause: unknown): Fault {
  return new Fault('unavailable', 'The service behind this page cannot be reached.', { cause, retryAfterSeconds: 2 });
}
