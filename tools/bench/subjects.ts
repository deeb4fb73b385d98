import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startChild } from '../../test/kit/child.ts';
import { freePort } from '../../test/kit/ports.ts';
import { openSystem } from '../../test/kit/system/open.ts';
import { apiScope, grants } from '../../test/kit/system/registrations.ts';
import type { System } from '../../test/kit/system/system.ts';
import { startHello } from './hello.ts';
import type { Subject } from './slices.ts';
import type { StockSetup } from './stock.ts';

/** The broker without and with telemetry, and what it is held against: bare servers and stock MSAL Node. */
export type Subjects = AsyncDisposable & { system: System; hellos: Subject[]; brokers: Subject[]; stock: Subject[] };

/** Starts every server that is measured, each a process of its own, and signs a person in at the brokers and at stock. */
export async function openSubjects(): Promise<Subjects> {
  await using stack = new AsyncDisposableStack();
  const system = stack.use(
    await openSystem({
      name: 'bench',
      env: { broker: { LOG_LEVEL: 'info', SESSION_RATE: '1000000', CALLERS_RATE: '1000000' } },
    }),
  );
  const { origin: endpoint } = stack.use(await openSink());
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_on' };
  system.brokers.push(await system.startBroker(traced));
  const assertion = await system.cluster.mint({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' });
  const session = await system.signIn('alice');
  const hellos = [await hello('hello-node', stack), await hello('hello-express', stack)];
  const names = ['broker L1', 'broker L1, traced'];
  const brokers = system.brokers.map(({ url, child }, i) => ({
    name: names[i] ?? '',
    pid: child.process.pid ?? 0,
    request: exchange(url, '/oauth2/token', session, assertion),
  }));
  const stock = await startStock(system, assertion, stack);
  const open = stack.move();
  return { system, hellos, brokers, stock, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** An OTLP collector that takes everything and keeps nothing. */
async function openSink(): Promise<AsyncDisposable & { origin: string }> {
  const sink = createServer((req, res) => void req.resume().on('end', () => res.end('{}'))).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  return {
    origin: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => void sink.close().closeAllConnections(),
  };
}

/** The real request: a form with the ServiceAccount's assertion and the person's session, RFC 8693 section 2.1. */
function exchange(origin: string, path: string, session: string, assertion: string): Subject['request'] {
  const form = {
    grant_type: grants.exchange,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    subject_token: session,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope: apiScope,
  };
  const body = new URLSearchParams(form).toString();
  return { origin, path, method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
}

async function hello(name: string, stack: AsyncDisposableStack): Promise<Subject> {
  const { process, origin } = stack.use(await startHello(name));
  return { name, pid: process.pid ?? 0, request: { origin, path: '/', method: 'GET' } };
}

async function startStock(system: System, assertion: string, stack: AsyncDisposableStack): Promise<Subject[]> {
  const { redis, emulator, cluster, stateDir } = system;
  const port = await freePort();
  const setup: StockSetup = {
    port,
    authority: `${emulator.origin}/${emulator.ids.tenants.contoso}`,
    clientId: emulator.ids.apps.web,
    clientSecret: 'web-secret',
    redis: { host: redis.host, port: redis.port, password: redis.password },
    callers: { issuer: cluster.issuer, jwksUri: cluster.jwksUri, audience: 'token-broker' },
  };
  const origin = `http://127.0.0.1:${port}`;
  const child = stack.use(
    await startChild({
      name: 'stock',
      command: process.execPath,
      args: ['tools/bench/stock.ts'],
      env: { PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') },
      input: JSON.stringify(setup),
      logFile: 'out/bench/stock.log',
      ready: async () => (await fetch(origin)).status === 404,
    }),
  );
  const { fields } = await system.startSignIn('bob');
  const body = new URLSearchParams({ ...fields, scope: apiScope });
  const signedIn = await fetch(`${origin}/sign-in`, { method: 'POST', body });
  const { subject_token } = (await signedIn.json()) as { subject_token: string };
  const asked = (name: string, path: string): Subject => ({
    name,
    pid: child.process.pid ?? 0,
    request: exchange(origin, path, subject_token, assertion),
  });
  return [asked('stock', '/oauth2/token'), asked('stock, no caller check', '/oauth2/token?check=off')];
}
