import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline as pipe, type Readable } from 'node:stream';
import { startCall } from '@onbehalf/chassis/client-span';
import { Fault } from '@onbehalf/chassis/fault';
import { apiDeadlineMs } from './lifetimes.ts';

type ApiRequest = {
  url: URL;
  method: string;
  headers: OutgoingHttpHeaders;
  /** Streamed to the API as it comes. */
  body?: Readable | undefined;
  /** Ends the request, and the answer's body with it. */
  signal: AbortSignal;
};

/**
 * Sends a request to an API and resolves with its answer's head, whatever the status; a redirect is an answer like any
 * other. Of an answer that came, the body is a stream that fails when it stalls.
 * @throws Fault `unavailable` if the API cannot be reached or does not begin to answer in time.
 */
export function requestApi({ url, method, headers, body, signal }: ApiRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const call = startCall(method, url);
  const outgoing = send(url, { method, headers: { ...headers, ...call.headers }, signal });
  const late = setTimeout(() => outgoing.destroy(new Error('no answer in time')), apiDeadlineMs.headers);
  outgoing.once('response', (incoming) => {
    clearTimeout(late);
    call.answered(incoming.statusCode ?? 0);
    incoming.once('close', () => call.end(incoming.complete ? undefined : new Error('cut')));
    incoming.setTimeout(apiDeadlineMs.idle, () => incoming.destroy(new Error('the answer stalled')));
    resolve(incoming);
  });
  outgoing.on('error', (cause) => {
    clearTimeout(late);
    call.end(cause);
    reject(
      new Fault('unavailable', 'The service behind this page cannot be reached.', { cause, retryAfterSeconds: 2 }),
    );
  });
  // The error handler above hears of both ends.
  if (body) pipe(body, outgoing, () => undefined);
  else outgoing.end();
  return promise;
}
