import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Browser, openTestbed, publicBaseUrl, signIn, type Testbed } from '../testbed.fake.ts';
import { upstreamsSchema } from './file/upstreams-file.ts';

type Serve = (req: IncomingMessage, res: ServerResponse) => void;

/** What the file is held against in tests. */
export const surroundings = {
  publicHosts: [new URL(publicBaseUrl).host],
  own: { hosts: ['pod-1'], ports: [8080] },
  brokerUrl: 'http://token-broker:8080',
  apis: ['orders'],
};

/** A server as an app would be: it serves by `serve`, and sends back what comes by an upgraded connection. */
export async function openUpstream(serve: Serve = (_req, res) => void res.end('here')) {
  const server = createServer();
  const sockets = new Set<Duplex>();
  const requests: IncomingMessage[] = [];
  server.on('request', (req, res) => {
    requests.push(req);
    serve(req, res);
  });
  server.on('upgrade', (req, socket, head) => {
    requests.push(req);
    sockets.add(socket.on('error', () => socket.destroy()));
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
    );
    socket.write(head);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    requests,
    sockets,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A testbed before one upstream `app`, with these settings beside its address, and a person who is signed in. */
export async function openFront(url: string, settings: object = {}, more: Record<string, object> = {}) {
  const testbed = await openTestbed({
    upstreams: () => upstreamsSchema(surroundings).parse({ app: { url, ...settings }, ...more }),
  });
  const browser = testbed.browser();
  await signIn(testbed, browser);
  return Object.assign(testbed, { person: browser });
}

/** From now on the broker says of every session that it lives: what ends here does so without asking. */
export function sayAllLive({ broker }: Pick<Testbed, 'broker'>): void {
  const json = { active: true, sub: 's', iat: 0, exp: 2e9, idle_exp: 2e9, absolute_exp: 2e9 };
  broker.responses.set('/oauth2/introspect', () => ({ json }));
}

export const cookieOf = (browser: Browser): string =>
  [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');

type Asked = { path?: string; method?: string; headers?: Record<string, string | string[]> };

/** A request of a program, which says what it likes. */
export function ask(port: number, { path = '/', method = 'GET', headers = {} }: Asked = {}) {
  return request({ port, host: '127.0.0.1', path, method, headers, agent: false });
}

/** Asks for a WebSocket; gives the status, and the connection where it is one. */
export async function upgrade(port: number, headers: Record<string, string> = {}, path = '/socket') {
  const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  const asked = ask(port, { path, headers: { connection: 'Upgrade', upgrade: 'websocket', ...key, ...headers } });
  asked.end();
  const { promise, resolve, reject } = Promise.withResolvers<{ response: IncomingMessage; socket?: Socket }>();
  asked.once('upgrade', (response, socket) => resolve({ response, socket: socket as Socket }));
  asked.once('response', (response) => resolve({ response }));
  asked.once('error', reject);
  return promise;
}

/** A connection that sends bytes as they are. */
export async function openRaw(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
}
