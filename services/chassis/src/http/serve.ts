import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
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
  /** How long a request may take to arrive; 0 for no limit, if uploads stream and another limit holds. */
  requestTimeoutMs?: number;
  /** Takes over the connections of the requests that it says yes to; every other upgrade is a request like any other. */
  upgrades?: {
    shouldUpgrade: (req: IncomingMessage) => boolean;
    upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
  };
};

/** A listening server; disposing it stops accepting, lets requests finish for `drainMs`, then cuts what is left. */
export type Serving = AsyncDisposable & { port: number; server: Server };

const idleEveryMs = 20;
/** How long idle connections stay open at the end, so that a client learns by a response that it was the last one. */
const farewellMs = 250;

const limits = {
  // Longer than any ingress keeps an idle connection: otherwise we might close one while a request arrives.
  keepAliveTimeout: 75_000,
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
  // Enough for two Entra tokens with many groups, and cookies.
  maxHeaderSize: 32_768,
};

/** Opens a listener. @throws Error of the system (such as `EADDRINUSE`). */
export async function serve(
  handler: RequestListener,
  { port, host, drainMs, tls, ...options }: ServeOptions,
): Promise<Serving> {
  const { requestTimeoutMs = limits.requestTimeout, upgrades } = options;
  const upgrading = upgrades && { shouldUpgradeCallback: upgrades.shouldUpgrade };
  const bounds = { ...limits, requestTimeout: requestTimeoutMs, ...upgrading };
  const server = tls ? createTlsServer({ ...bounds, ...tls }) : createServer(bounds);
  server.on('request', handler);
  if (upgrades) server.on('upgrade', upgrades.upgrade);
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
      // The close of the HTTP server would cut idle connections at once, also one on which a request is arriving.
      NetServer.prototype.close.call(server);
      // After its last response, a kept-alive connection would delay the end.
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

/** Responds to what cannot be parsed as a request: Node's own response would have no body, and could be cached. */
function refuseUnreadable({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, error_description] = unreadable[code ?? ''] ?? ['400 Bad Request', 'The request could not be read.'];
  const body = JSON.stringify({ error: 'invalid_request', error_description });
  const headers = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Cache-Control: no-store'];
  socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`);
}
