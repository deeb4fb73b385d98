import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { each, nameOf, patiently } from '../../services/load-generator/src/target/people.ts';
import { openSystem } from '../../test/kit/system/open.ts';
import type { System } from '../../test/kit/system/system.ts';
import { startHello } from './hello.ts';
import { type Assertions, forms, toRequest } from './requests.ts';
import type { Request, Subject } from './slices.ts';
import { startStock } from './stock-process.ts';

/** The broker, and what it is held against in the same run: bare servers and stock MSAL Node. */
export type Subjects = AsyncDisposable & {
  system: System;
  hellos: Subject[];
  /** Each grant served from memory. */
  ofMemory: Subject[];
  /** Those that can be served from Redis every time. An app's token is one key, which always fits into memory. */
  ofRedis: Subject[];
  /** node:http with the request and the size of the response of each of `ofMemory`, in that order. */
  floors: Subject[];
  /** The exchange at a broker that traces everything. */
  traced: Subject;
  stock: Subject[];
};

/** So many people that their tokens and sessions are more than the smallest L1 holds. */
const people = 420;
const unlimited = { LOG_LEVEL: 'info', SESSION_RATE: '1000000', CALLERS_RATE: '1000000' };

/** Starts every server that is measured, each a process of its own, and signs people in. */
export async function openSubjects(progress: (what: string) => void): Promise<Subjects> {
  await using stack = new AsyncDisposableStack();
  progress('starting servers');
  const system = stack.use(await openSystem({ name: 'bench', people, env: { broker: unlimited } }));
  const { origin: endpoint } = stack.use(await openSink());
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_on' };
  system.brokers.push(await system.startBroker(tracing), await system.startBroker({ L1_MAX_BYTES: '1048576' }));
  const assertions = await mintAssertions(system);
  const subjectAt = (broker: number) => (name: string, asked: Parameters<typeof toRequest>[1][]) => {
    const { url = '', child } = system.brokers[broker] ?? {};
    return { name, pid: child?.process.pid ?? 0, requests: asked.map((form) => toRequest(url, form, assertions)) };
  };
  const crowd = await signInCrowd(system, progress);
  const [{ session, token }] = crowd;
  const [first, second, third] = [subjectAt(0), subjectAt(1), subjectAt(2)];
  const ofMemory = [
    first('broker L1', [forms.exchange(session)]),
    first('broker on-behalf-of L1', [forms.onBehalfOf(token)]),
    first('broker client_credentials L1', [forms.appToken()]),
    first('broker introspection L1', [forms.introspect(session, 'web')]),
    first('broker introspection of a JWT', [forms.introspect(token, 'api')]),
  ];
  const ofRedis = [
    third(
      'broker L2',
      crowd.map((one) => forms.exchange(one.session)),
    ),
    third(
      'broker on-behalf-of L2',
      crowd.map((one) => forms.onBehalfOf(one.token)),
    ),
    third(
      'broker introspection L2',
      crowd.map((one) => forms.introspect(one.session, 'web')),
    ),
  ];
  progress('fetching first tokens');
  for (const { requests } of ofRedis) await each(requests, send);
  const floor = await startHello('floor');
  stack.use(floor);
  const floors = await Promise.all(ofMemory.map((one) => floorOf(one, floor)));
  const hellos = [await hello('hello-node', stack), await hello('hello-express', stack)];
  const stock = await startStock(system, assertions, stack);
  const traced = second('broker L1, traced', [forms.exchange(session)]);
  const open = stack.move();
  return {
    ...{ system, hellos, ofMemory, ofRedis, floors, traced, stock },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function mintAssertions({ cluster }: System): Promise<Assertions> {
  const mint = (name: string) => cluster.mint({ namespace: 'onbehalf', name, audience: 'token-broker' });
  return { web: await mint('web'), api: await mint('api'), job: await mint('job') };
}

type Person = { session: string; token: string };

/** Signs people in, and has each fetch the token that an API gets, which is the assertion of the next one. */
async function signInCrowd(system: System, progress: (what: string) => void): Promise<[Person, ...Person[]]> {
  progress(`signing ${people} people in`);
  const [first, ...others] = await each(
    Array.from({ length: people }, (_, i) => i + 1),
    async (number) => {
      const redeem = async () =>
        await system.post(0, '/oauth2/token', (await system.startSignIn(nameOf(number))).fields);
      const session = String((await patiently(redeem)).body.access_token);
      const { status, body } = await patiently(() => system.exchange(0, session));
      if (status !== 200) throw new Error(`a person got no first token: ${status} ${body.error}`);
      return { session, token: String(body.access_token) };
    },
  );
  if (!first) throw new Error('nobody was signed in');
  return [first, ...others];
}

async function send({ origin, path, method, body, headers }: Request): Promise<number> {
  const response = await fetch(`${origin}${path}`, {
    ...{ method, headers: headers as Record<string, string>, body: String(body) },
    signal: AbortSignal.timeout(30_000),
  });
  const { length } = await response.text();
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
  return length;
}

/** The same request to node:http, which answers with as many bytes. */
async function floorOf({ name, requests }: Subject, floor: Awaited<ReturnType<typeof startHello>>): Promise<Subject> {
  const [request] = requests;
  if (!request) throw new Error(`${name} has no request`);
  // `{"access_token":""}` is part of them.
  const bytes = Math.max(0, (await send(request)) - 19);
  return {
    ...{ name: name.replace('broker', 'floor of'), pid: floor.process.pid ?? 0 },
    requests: [{ ...request, origin: floor.origin, path: `/${bytes}` }],
  };
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

async function hello(name: string, stack: AsyncDisposableStack): Promise<Subject> {
  const { process, origin } = stack.use(await startHello(name));
  return { name, pid: process.pid ?? 0, requests: [{ origin, path: '/', method: 'GET' }] };
}
