import { type ClientRequest, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { finished, type Readable, type Writable } from 'node:stream';
import { Fault } from '../../core/fault.ts';
import { timeoutError } from '../../core/reason.ts';
import { startCall } from '../../core/telemetry/client-span.ts';
import { longestPauseMs } from '../../lifetimes.ts';
import { isEventStream, isSafe } from './api-wire.ts';

type ApiRequest = {
  url: URL;
  /** Path and query as they came, where parsing must not write them anew. */
  path?: string;
  method: string;
  /** An array as `rawHeaders` has them, `Host` and the framing of the body included. */
  headers: OutgoingHttpHeaders | string[];
  /** Streamed to the API as it comes. */
  body?: Readable | undefined;
  /** Ends the request, and the response's body with it. */
  signal?: AbortSignal;
  /** The response that waits for it: closed before it is finished, it ends the request, without the exception of a signal. */
  forResponse?: Writable;
  /** How long the API may be silent: in connecting, taking, waiting and responding. */
  silenceMs: number;
};

/** How many interim responses (1xx) may come before the final one; more are a flood. RFC 9110 section 15.2. */
const mostInterim = 32;

/**
 * Sends a request to an API and resolves with the head of its response, whatever the status; a redirect is a response
 * like any other. The body is a stream that fails when it stalls. A browser that pauses in sending or
 * reading is not the API's silence, and an event stream that has begun may be silent for ever.
 * @throws Fault `unavailable` if the API cannot be reached, or is silent for too long; `bad_gateway` if what it sends is
 *   no response: another protocol, no HTTP, or a head without an end.
 */
export function requestApi(request: ApiRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => begin(request, resolve, reject));
}

type Resolve = (response: IncomingMessage | Promise<IncomingMessage>) => void;

function begin(request: ApiRequest, resolve: Resolve, reject: (fault: Fault) => void): void {
  const { url, path, method, body, signal, silenceMs, forResponse } = request;
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const call = startCall(method, url);
  const headers = withTrace(request.headers, call.headers);
  const asked = { method, headers, timeout: silenceMs, path: path ?? url.pathname + url.search };
  const outgoing = send({ ...addressOf(url), ...asked, ...(signal && { signal }) });
  if (forResponse) endWith(forResponse, outgoing);
  call.watchSocket(outgoing);
  const fail = (cause: NodeJS.ErrnoException | Fault) => {
    const fault = faultOf(cause);
    call.end(fault.code === 'bad_gateway' ? fault : cause);
    reject(fault);
  };
  watchSilence(outgoing, silenceMs, body);
  watchHead(outgoing, silenceMs);
  outgoing.once('response', (incoming) => {
    const { statusCode = 0 } = incoming;
    call.responded(statusCode);
    if (statusCode < 200 || statusCode > 599) {
      incoming.destroy();
      return fail(badGateway(new Error(`status ${statusCode}`)));
    }
    incoming.once('close', () => call.end(incoming.complete ? undefined : new Error('cut')));
    resolve(incoming);
  });
  // Node has let go of the connection by then, and says nothing more of it.
  outgoing.once('upgrade', ({ statusCode = 0 }, socket) => {
    call.responded(statusCode);
    socket.destroy();
    fail(badGateway(new Error('another protocol')));
  });
  outgoing.on('error', (cause: NodeJS.ErrnoException) => {
    // The API closed an idle connection just as we took it up again: nothing was read, another one serves.
    const stale = outgoing.reusedSocket && cause.code === 'ECONNRESET' && isSafe(method);
    if (!stale) return fail(cause);
    call.end(cause);
    resolve(requestApi(request));
  });
  if (body) sendBody(body, outgoing);
  else outgoing.end();
}

/** Of a URL what a request needs: Node copies all that it is given several times. */
function addressOf({ protocol, hostname, port }: URL) {
  return { protocol, hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname, port };
}

function endWith(response: Writable, outgoing: ClientRequest): void {
  const end = () => response.writableFinished || outgoing.destroy(new Error('the caller left'));
  if (response.closed) end();
  else response.once('close', end);
}

function withTrace(headers: ApiRequest['headers'], trace: Record<string, string>): OutgoingHttpHeaders | string[] {
  if (!Array.isArray(headers)) return { ...headers, ...trace };
  const added = Object.entries(trace);
  return added.length === 0 ? headers : [...headers, ...added.flat()];
}

/**
 * Sends the browser's body on. Not by `pipeline`, which would end the browser's connection with the API's, so that no
 * response reaches it: what the API does not take any more is read and dropped, since browsers send everything first.
 */
function sendBody(body: Readable, outgoing: ClientRequest): void {
  body.pipe(outgoing);
  finished(body, (error) => error && outgoing.destroy(error));
  outgoing.once('close', () => body.resume());
}

/** Gives up where the API is silent for too long, and where the browser pauses for much longer. */
function watchSilence(outgoing: ClientRequest, silenceMs: number, body: Readable | undefined): void {
  let incoming: IncomingMessage | undefined;
  let movedBytes = 0;
  let pausedMs = 0;
  outgoing.once('response', (response) => {
    incoming = response;
    if (isEventStream(response)) outgoing.setTimeout(0);
  });
  outgoing.on('timeout', () => {
    const { socket } = outgoing;
    const bytes = (socket?.bytesRead ?? 0) + (socket?.bytesWritten ?? 0);
    pausedMs = bytes === movedBytes ? pausedMs + silenceMs : 0;
    movedBytes = bytes;
    const reading = (incoming?.readableLength ?? 0) > 0;
    const sending = body !== undefined && !body.readableEnded && !outgoing.writableNeedDrain;
    if ((reading || sending) && pausedMs < longestPauseMs) return void socket?.setTimeout(silenceMs);
    outgoing.destroy(timeoutError('silent for too long'));
  });
}

/** Gives up a head that was begun and does not end in this time, and one that keeps being announced. */
function watchHead(outgoing: ClientRequest, withinMs: number): void {
  let ending: NodeJS.Timeout | undefined;
  let interim = 0;
  let over = false;
  const begun = () => {
    if (!over) ending ??= setTimeout(() => outgoing.destroy(badGateway(new Error('a head without an end'))), withinMs);
  };
  const clear = () => {
    clearTimeout(ending);
    ending = undefined;
  };
  outgoing.once('socket', (socket) => {
    socket.on('data', begun);
    const leave = () => {
      over = true;
      clear();
      socket.off('data', begun);
    };
    outgoing.once('response', leave).once('upgrade', leave).once('close', leave);
  });
  outgoing.on('information', () => {
    clear();
    interim += 1;
    if (interim > mostInterim) outgoing.destroy(badGateway(new Error('a flood of interim responses')));
  });
}

function faultOf(cause: NodeJS.ErrnoException | Fault): Fault {
  if (cause instanceof Fault) return cause;
  // llhttp's codes: what came could not be read. A DOMException's code is a number.
  if (String(cause.code).startsWith('HPE_')) return badGateway(cause);
  return new Fault('unavailable', 'The service behind this page cannot be reached.', { cause, retryAfterSeconds: 2 });
}

function badGateway(cause: Error): Fault {
  return new Fault('bad_gateway', 'The service behind this page gave no response that can be used.', { cause });
}
