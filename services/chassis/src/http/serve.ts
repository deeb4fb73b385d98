import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';

type ServeOptions = {
  /** 0 takes a free port. */
  port: number;
  host?: string | undefined;
  /** How long requests under way may take once closing has begun. */
  drainMs: number;
  tls?: { key: string; cert: string } | undefined;
  /** How long a request may take to come; 0 where uploads stream, and something else bounds the rest. */
  requestTimeoutMs?: number;
};

/** A listening server; disposing it stops accepting, lets requests finish for `drainMs`, then cuts what is left. */
export type Serving = AsyncDisposable & { port: number; server: Server };

const idleEveryMs = 20;
/** For so long kept connections stay, so that whose are in use hear with a response that it is their last. */
const farewellMs = 250;

const limits = {
  // Longer than any ingress keeps an idle connection, so that it is never we who close one a request is entering.
  keepAliveTimeout: 75_000,
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
  // Two Entra tokens with many groups and the cookies beside them.
  maxHeaderSize: 32_768,
};

/** Opens a listener. @throws Error of the system (`EADDRINUSE`) if it cannot bind. */
export async function serve(
  handler: RequestListener,
  { port, host, drainMs, tls, ...options }: ServeOptions,
): Promise<Serving> {
  const bounds = { ...limits, requestTimeout: options.requestTimeoutMs ?? limits.requestTimeout };
  const server = tls ? createTlsServer({ ...bounds, ...tls }) : createServer(bounds);
  server.on('request', handler);
  server.on('clientError', refuseUnreadable);
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      const farewellUntilMs = performance.now() + farewellMs;
      server.prependListener('request', (_req, res) => {
        res.shouldKeepAlive = false;
      });
      // HTTP's own close would cut idle connections at once, one that a request is just entering among them.
      NetServer.prototype.close.call(server);
      // A kept connection would hold the drain up once its last response is out.
      const idle = setInterval(() => {
        if (performance.now() > farewellUntilMs) server.closeIdleConnections();
      }, idleEveryMs);
      const cut = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

const unreadable: Record<string, [status: string, description: string]> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The request headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time.'],
};

/** What could not be parsed never becomes a request: Node's own response would have no body and could be stored. */
function refuseUnreadable({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, error_description] = unreadable[code ?? ''] ?? ['400 Bad Request', 'The request could not be read.'];
  const body = JSON.stringify({ error: 'invalid_request', error_description });
  const headers = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Cache-Control: no-store'];
  socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`);
}
