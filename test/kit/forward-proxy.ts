import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * A forward proxy on a free loopback port: tunnels by CONNECT (RFC 9110 section 9.3.6), passes plain requests on (RFC 9112
 * section 3.2.2), and tells to whom.
 */
export type ForwardProxy = AsyncDisposable & {
  url: string;
  /** `host:port` of every tunnel that was asked for. */
  tunnels: string[];
  /** `host:port` of every plain request. */
  requests: string[];
  /** Ends the tunnels that stand and opens no other. */
  refuse(): void;
};

/** @param places where a `host:port` is that only this proxy knows, as `host:port`. */
export async function openForwardProxy(places: Record<string, string> = {}): Promise<ForwardProxy> {
  const tunnels: string[] = [];
  const requests: string[] = [];
  const placeOf = (authority: string) => new URL(`tcp://${places[authority] ?? authority}`);
  const server = createServer((near, answer) => {
    const { host, pathname } = new URL(near.url ?? '');
    requests.push(host);
    const { hostname, port } = placeOf(host);
    const { method, headers } = near;
    const far = request({ hostname, port, path: pathname, method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    far.on('error', () => answer.destroy());
    near.pipe(far);
  });
  const sockets = new Set<Duplex>();
  let refusing = false;
  server.on('connect', ({ url = '' }, near, head) => {
    tunnels.push(url);
    if (refusing) return near.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const { hostname, port } = placeOf(url);
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
    requests,
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
