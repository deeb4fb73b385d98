import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** A forward proxy on a free loopback port: tunnels by CONNECT (RFC 9110 section 9.3.6), and tells to whom. */
export type ForwardProxy = AsyncDisposable & {
  url: string;
  /** `host:port` of every tunnel that was asked for. */
  tunnels: string[];
  /** Ends the tunnels that stand and opens no other. */
  refuse(): void;
};

/** @param places where a `host:port` is that only this proxy knows, as `host:port`. */
export async function openForwardProxy(places: Record<string, string> = {}): Promise<ForwardProxy> {
  const tunnels: string[] = [];
  const server = createServer((_req, res) => res.writeHead(405).end());
  const sockets = new Set<Duplex>();
  let refusing = false;
  server.on('connect', ({ url = '' }, near, head) => {
    tunnels.push(url);
    if (refusing) return near.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const { hostname, port } = new URL(`tcp://${places[url] ?? url}`);
    const far = connect(Number(port), hostname, () => {
      near.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => [near, far].map((one) => one.destroy())).on('close', () => sockets.delete(socket));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    refuse() {
      refusing = true;
      end();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      end();
      await closed;
    },
  };
}
