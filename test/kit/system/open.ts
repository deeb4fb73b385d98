import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRsaKey } from '@onbehalf/node/core/keys/rsa.fake';
import { openCluster } from '../cluster.ts';
import { mountFiles } from '../mounts.ts';
import { freePort } from '../ports.ts';
import { openRedis, type Redis } from '../redis/server.ts';
import { openRelay } from '../relay.ts';
import { type Entra, type EntraPorts, openEmulator, startEmulator } from './emulator.ts';
import {
  apiEnvironment,
  brokerEnvironment,
  type Environment,
  emulatorDir,
  type Ground,
  redisEnvironment,
  webEnvironment,
} from './environments.ts';
import { type ProgramOptions, Programs } from './programs.ts';
import {
  ownPrefix,
  type Seed,
  seedWithPeople,
  serviceClients,
  type TestClients,
  testClients,
} from './registrations.ts';
import { type Parts, System } from './system.ts';

export type Ports = EntraPorts & { web: number; viewer?: number };

export type SystemOptions = Omit<ProgramOptions, 'logDir'> & {
  /** The name of its folder of logs under out/; a system per test file. */
  name: string;
  /** How many processes of the broker; one unless said. */
  brokers?: number;
  /** Starts web-frontend, and the downstream-api that its pages call. */
  frontend?: boolean;
  /** Where the emulator is: in this process, or in one of its own, as with a frontend. */
  emulator?: 'here' | 'apart';
  /** `each`: no two of Entra's tokens are the same, as with a frontend. `load` costs less. */
  signing?: 'each' | 'load';
  /** Further environment by service, to change a lifetime or a mode. */
  env?: { web?: Environment; broker?: Environment; api?: Environment; emulator?: Environment };
  /** Free ones unless said; the trace-viewer runs only where it is given a port. */
  ports?: Ports;
  /** In place of what `openRedis` finds; whoever opened it ends it. */
  redis?: Redis;
  /** In place of a single Redis: what the brokers are told of another kind, e.g. a Redis Cluster. */
  redisEnv?: (stateDir: string, emulator: Entra) => Promise<Environment>;
  /** How the broker's Redis keys begin; one of this system alone unless said, since a Redis may be shared. */
  redisPrefix?: string;
  /** Puts a relay before Redis, to cut and freeze it, as with a frontend. It shares this process. */
  relayed?: boolean;
  /** How many people `load00001`, `load00002` … there are besides the emulator's own. */
  people?: number;
  /** Changes the emulator's seed, e.g. by further scopes of an API. */
  seed?: (usual: Seed) => object;
  /** Scopes beyond the usual that the client `web` may ask for, and web-frontend. */
  scopes?: string[];
  /** Where Entra ID sends people back to, in place of the frontend's one; the emulator has to know them too. */
  redirectUris?: string[];
  /** Changes the brokers' clients; `directory` is there for files of theirs. */
  clients?: (usual: TestClients, emulator: Entra, directory: string) => object | Promise<object>;
};

const host = '127.0.0.1';
/** Where the emulator's seed has its frontend. */
const seedFrontend = 'http://localhost:3000';
/** Load is as quick as the machine: the rates of callers and sessions are tried beside the broker's sources. */
const forLoad = { LOG_LEVEL: 'debug', CALLERS_RATE: '100000', SESSION_RATE: '100000' };

/**
 * Starts what is asked for, each program ready before the ones that need it.
 * @throws Error in one sentence when a program does not come up; what came up has ended by then.
 */
export async function openSystem(options: SystemOptions): Promise<System> {
  const opened = new AsyncDisposableStack();
  try {
    const ports = options.ports ?? (await freePorts());
    const brokerPorts = await Promise.all(Array.from({ length: options.brokers ?? 1 }, freePort));
    const parts = await openParts(options, ports, brokerPorts, opened);
    const system = new System(parts, opened);
    await startServices(system, parts, options, brokerPorts);
    return system;
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** All that the services stand on: folders, Redis, relays, the cluster, Entra ID, the trace-viewer. */
async function openParts(
  options: SystemOptions,
  ports: Ports,
  brokerPorts: number[],
  opened: AsyncDisposableStack,
): Promise<Parts> {
  const { name, frontend = false, relayed = frontend } = options;
  const logDir = join('out', name);
  await rm(logDir, { recursive: true, force: true });
  const stateDir = await mkdtemp(join(tmpdir(), 'onbehalf-'));
  opened.defer(() => rm(stateDir, { recursive: true, force: true }));
  const programs = new Programs({ ...options, logDir }, opened);
  const redis = options.redisEnv ? undefined : (options.redis ?? (await startRedis(options, programs, logDir, opened)));
  const redisRelay = redis && relayed ? opened.use(await openRelay(redis)) : undefined;
  const brokerRelay = opened.use(await openRelay(...brokerPorts.map((port) => ({ host, port }))));
  const cluster = opened.use(await openCluster(join(stateDir, 'service-accounts'), undefined, makeRsaKey()));
  const web = frontend ? `http://localhost:${ports.web}` : seedFrontend;
  const plan = { stateDir: emulatorDir(stateDir), issuer: cluster.issuer, frontendOrigin: web };
  const [emulator, viewerUrl] = await openEntra(options, plan, ports, programs, opened);
  const ground = {
    ...{ stateDir, cluster, emulator, web },
    broker: `http://${host}:${brokerRelay.port}`,
    api: `http://${host}:${await freePort()}`,
  };
  const redisPrefix = options.redisPrefix ?? ownPrefix();
  return {
    ...ground,
    ...{ viewerUrl, logDir, redis, redisPrefix, programs, brokersShareUrl: frontend },
    relays: { redis: redisRelay, broker: brokerRelay },
    brokerEnv: {
      ...(await brokerEnvironment(ground, await clientsOf(options, ground))),
      ...(frontend ? { CALLERS_JWKS_URI: cluster.jwksUri } : forLoad),
      REDIS_KEY_PREFIX: redisPrefix,
      ...(redis && (await redisEnvironment(stateDir, redis, redisRelay?.port))),
      ...(await options.redisEnv?.(stateDir, emulator)),
      ...tracedTo(viewerUrl),
      ...options.env?.broker,
    },
  };
}

async function startRedis(
  { progress }: SystemOptions,
  { watched }: Programs,
  logDir: string,
  opened: AsyncDisposableStack,
): Promise<Redis> {
  const startedAtMs = performance.now();
  const redis = opened.use(await openRedis({ cacheDir: '.cache', logDir, ...watched }));
  progress?.('redis', performance.now() - startedAtMs, `${redis.source}, port ${redis.port}`);
  return redis;
}

/** Opens Entra ID and, where it has a port, the trace-viewer. Gives the one, and the address of the other. */
async function openEntra(
  options: SystemOptions,
  where: { stateDir: string; issuer: string; frontendOrigin: string },
  ports: Ports,
  programs: Programs,
  opened: AsyncDisposableStack,
): Promise<[Entra, string | undefined]> {
  const { frontend = false, signing = frontend ? 'each' : 'load', people = 0 } = options;
  const usual = seedWithPeople(people);
  const plan = { ...where, signing, seed: options.seed?.(usual) ?? usual };
  const { viewer } = ports;
  const viewerUrl =
    viewer && existsSync('services/trace-viewer/src/main.ts') ? `http://localhost:${viewer}` : undefined;
  const apart = (options.emulator ?? (frontend ? 'apart' : 'here')) === 'apart';
  const emulator = apart
    ? startEmulator(plan, ports, options.env?.emulator ?? {}, programs)
    : openEmulator(plan, opened);
  await programs.together([emulator, ...(viewerUrl ? [startViewer(viewerUrl, programs)] : [])]);
  return [await emulator, viewerUrl];
}

const startViewer = (url: string, programs: Programs) =>
  programs.start({
    ...{ room: 'trace-viewer', env: { HTTP_PORT: new URL(url).port }, readyUrl: `${url}/livez`, detail: url },
  });

const tracedTo = (viewerUrl: string | undefined): Environment =>
  viewerUrl
    ? { OTEL_EXPORTER_OTLP_ENDPOINT: viewerUrl.replace('localhost', host), OTEL_BSP_SCHEDULE_DELAY: '200' }
    : {};

/** What the broker knows of its callers. */
async function clientsOf(options: SystemOptions, { stateDir, emulator, web }: Ground): Promise<object> {
  const redirectUri = `${web}/auth/callback`;
  const jobSecret = join(await mountFiles(join(stateDir, 'job'), { secret: 'job-secret' }), 'secret');
  const { scopes = [] } = options;
  const usual = testClients(redirectUri, jobSecret, scopes);
  const clients = (await options.clients?.(usual, emulator, stateDir)) ?? usual;
  return options.frontend ? { ...clients, ...serviceClients(options.redirectUris ?? [redirectUri], scopes) } : clients;
}

async function startServices(
  system: System,
  parts: Parts,
  { frontend, env = {} }: SystemOptions,
  brokerPorts: number[],
): Promise<void> {
  const { programs, viewerUrl } = parts;
  const serve = async (room: string, origin: string, environment: Environment) => {
    const adminPort = await freePort();
    const listeners = { HTTP_PORT: new URL(origin).port, ADMIN_PORT: `${adminPort}` };
    const readyUrl = `http://${host}:${adminPort}/readyz`;
    return await programs.start({ room, env: { ...environment, ...listeners }, readyUrl, detail: origin });
  };
  const traced = tracedTo(viewerUrl);
  const linked: Environment = viewerUrl ? { TRACE_VIEWER_URL: viewerUrl } : {};
  const api = { ...(await apiEnvironment(parts)), ...traced, ...env.api };
  const web = { ...(await webEnvironment(parts)), ...traced, ...linked, ...env.web };
  const services = frontend ? [serve('downstream-api', parts.api, api), serve('web-frontend', parts.web, web)] : [];
  const nameOf = (place: number) => (brokerPorts.length === 1 ? 'token-broker' : `token-broker-${place + 1}`);
  const brokers = brokerPorts.map((port, place) => system.startBroker({}, nameOf(place), port));
  await programs.together([...brokers, ...services]);
  system.brokers.push(...(await Promise.all(brokers)));
}

async function freePorts(): Promise<Ports> {
  const [web, entra, entraBrowser, entraAdmin] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  return { web, entra, entraBrowser, entraAdmin };
}
