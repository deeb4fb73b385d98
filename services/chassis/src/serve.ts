import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

type ServeOptions = {
  /** 0 takes a free port. */
  port: number;
  host?: string | undefined;
  /** How long requests under way may take once closing has begun. */
  drainMs: number;
  tls?: { key: string; cert: string } | undefined;
};

/** A listening server; disposing it stops accepting, lets requests finish for `drainMs`, then cuts what is left. */
export type Serving = AsyncDisposable & { port: number; server: Server };

/** Opens a listener. @throws Error of the system (`EADDRINUSE`) if it cannot bind. */
export async function serve(handler: RequestListener, { port, host, drainMs, tls }: ServeOptions): Promise<Serving> {
  // Longer than any ingress keeps an idle connection, so that it is never we who close one a request is entering.
  const options = { keepAliveTimeout: 75_000, headersTimeout: 20_000, requestTimeout: 60_000, maxHeaderSize: 32_768 };
  const server = tls ? createTlsServer({ ...options, ...tls }, handler) : createServer(options, handler);
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      const cut = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearTimeout(cut);
    },
  };
}
