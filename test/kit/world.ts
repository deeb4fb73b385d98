import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { answers, type Child, startChild } from './child.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { type Environment, entraEnvironment, entraOrigins, serviceEnvironments, webOrigin } from './environments.ts';
import { mountJson } from './mounts.ts';
import { freePort } from './ports.ts';
import { openRedis, type Redis } from './redis/server.ts';
import { openRelay, type Relay } from './relay.ts';
import { Visitor } from './visitor.ts';

export type Ports = { web: number; entra: number; entraBrowser: number; entraAdmin: number; viewer?: number };

/** Tells of one program that came up: how long it took and what is worth knowing of it. */
export type Progress = (program: string, ms: number, detail: string) => void;

type WorldOptions = {
  /** The name of its folder of logs under out/; a world per test file. */
  name: string;
  brokers?: number;
  /** Free ones unless said; the trace-viewer runs only where it is given a port. */
  ports?: Ports;
  /** How the broker's Redis keys begin; one of this world alone unless said, since a Redis may be shared. */
  redisPrefix?: string;
  /** Further environment by service, to change a lifetime or a mode. */
  env?: { web?: Environment; broker?: Environment; api?: Environment; entra?: Environment };
  /** In place of what `openRedis` finds; whoever opened it ends it. */
  redis?: Redis;
  /** How many people `load00001`, `load00002` … there are besides the emulator's own. */
  people?: number;
  /** Where the services' standard output goes instead of their log files, as bash writes it: `>/dev/full`. */
  output?: string;
  /** Options for Node.js itself by the name of a service, e.g. `--inspect`. */
  nodeOptions?: Record<string, string[]>;
  progress?: Progress;
  /** Called when a program ends that should not. */
  onDeath?: (sentence: string) => void;
  /** Aborts the start. */
  signal?: AbortSignal;
};

/** Onbehalf as it runs in a cluster, on one machine: the real services as processes, a real Redis, Entra ID played. */
export type World = AsyncDisposable & {
  /** Where people go: web-frontend. */
  web: string;
  /** Where the services find the broker: all its processes in turn. */
  broker: string;
  api: string;
  /** The emulator: its issuer, its pages, its admin API. */
  entra: { origin: string; browserOrigin: string; admin: string };
  viewer: string | undefined;
  redis: Redis;
  redisPrefix: string;
  /** Between the broker and Redis, and between the services and the broker's processes. */
  relays: { redis: Relay; broker: Relay };
  cluster: Cluster;
  /** Every program's log is a file here. */
  logDir: string;
  /** What Kubernetes would mount, the emulator's CA, the password of an own Redis. Gone at the end. */
  stateDir: string;
  programs: Child[];
  /** Starts a program of this name that has ended once more, as it was. */
  restart(name: string): Promise<void>;
  /** The ports of the broker's processes, which `relays.broker` goes round. */
  brokerPorts: number[];
  /** A new person with a browser of their own. */
  visitor(): Visitor;
};

const host = '127.0.0.1';

/**
 * Starts everything, each program ready before the ones that need it; disposing ends it in reverse and leaves nothing
 * behind but the logs.
 * @throws Error in one sentence when a program does not come up.
 */
export async function createWorld(options: WorldOptions): Promise<World> {
  const { name, brokers = 1, env = {}, progress = () => {} } = options;
  await using opened = new AsyncDisposableStack();
  const logDir = join('out', name);
  await rm(logDir, { recursive: true, force: true });
  const stateDir = await mkdtemp(join(tmpdir(), 'onbehalf-'));
  opened.defer(() => rm(stateDir, { recursive: true, force: true }));
  const failing = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failing.signal]) : failing.signal;
  const watched = { signal, ...(options.onDeath && { onDeath: options.onDeath }) };
  const programs: Child[] = [];
  const starts = new Map<string, () => Promise<Child>>();

  /** Starts `services/<room>`; `instance` tells several of one room apart. */
  const startService = async (room: string, environment: Environment, readyUrl: string, instance = room) => {
    const startedAtMs = performance.now();
    const program = [process.execPath, ...(options.nodeOptions?.[room] ?? []), `services/${room}/src/main.ts`];
    const [command = '', ...args] =
      options.output && room !== 'entra-emulator'
        ? ['bash', '-c', `exec "$0" "$@" ${options.output}`, ...program]
        : program;
    const start = () =>
      startChild({
        ...{ name: instance, command, args, env: environment, logFile: join(logDir, `${instance}.log`) },
        ready: () => answers(readyUrl),
        ...watched,
      });
    programs.push(opened.use(await start()));
    starts.set(instance, start);
    return performance.now() - startedAtMs;
  };

  const startedAtMs = performance.now();
  const redis = options.redis ?? opened.use(await openRedis({ cacheDir: '.cache', logDir, ...watched }));
  progress('redis', performance.now() - startedAtMs, `${redis.source}, port ${redis.port}`);
  const brokerPorts = await Promise.all(Array.from({ length: brokers }, freePort));
  const redisRelay = opened.use(await openRelay(redis));
  const brokerRelay = opened.use(await openRelay(...brokerPorts.map((port) => ({ host, port }))));
  const cluster = opened.use(await openCluster(join(stateDir, 'service-accounts')));

  const ports = options.ports ?? (await freePorts());
  const places = {
    stateDir,
    web: { port: ports.web },
    entra: { port: ports.entra, browserPort: ports.entraBrowser, adminPort: ports.entraAdmin },
    redisPrefix: options.redisPrefix ?? `ob:${randomBytes(6).toString('hex')}:`,
    brokerUrl: `http://${host}:${brokerRelay.port}`,
    apiPort: await freePort(),
  };
  const entra = entraOrigins(places);
  const caFile = join(stateDir, 'entra-emulator', 'ca.pem');
  const viewer = ports.viewer && existsSync('services/trace-viewer/src/main.ts') ? ports.viewer : undefined;
  const viewerUrl = viewer ? `http://localhost:${viewer}` : undefined;
  const startViewer = async () => {
    if (!viewerUrl) return;
    const ms = await startService('trace-viewer', { HTTP_PORT: String(viewer) }, `${viewerUrl}/livez`);
    progress('trace-viewer', ms, viewerUrl);
  };
  const entraReady = `${entra.browserOrigin}/readyz`;
  const seed = options.people
    ? { SEED_FILE: await mountJson(stateDir, 'seed.json', seedWithPeople(options.people)) }
    : {};
  await together(failing, [
    startService('entra-emulator', { ...entraEnvironment(places, cluster), ...seed, ...env.entra }, entraReady).then(
      (ms) => progress('entra-emulator', ms, `${entra.origin}, its pages on ${entra.browserOrigin}`),
    ),
    startViewer(),
  ]);

  const relayed: Redis = { ...redis, host, port: redisRelay.port };
  const environments = await serviceEnvironments(places, cluster, relayed, caFile);
  const traced: Environment = viewerUrl
    ? { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${host}:${viewer}`, OTEL_BSP_SCHEDULE_DELAY: '200' }
    : {};
  const serve = async (kind: 'web' | 'broker' | 'api', room: string, port: number, detail: string, instance = room) => {
    const adminPort = await freePort();
    const listeners = { HTTP_PORT: String(port), ADMIN_PORT: String(adminPort) };
    const linked: Environment = viewerUrl && kind === 'web' ? { TRACE_VIEWER_URL: viewerUrl } : {};
    const environment = { ...environments[kind], ...traced, ...linked, ...env[kind], ...listeners };
    progress(instance, await startService(room, environment, `http://${host}:${adminPort}/readyz`, instance), detail);
  };
  const brokerNames = brokerPorts.map((_, index) => (brokers === 1 ? 'token-broker' : `token-broker-${index + 1}`));
  await together(failing, [
    ...brokerPorts.map((port, index) => serve('broker', 'token-broker', port, `port ${port}`, brokerNames[index])),
    serve('api', 'downstream-api', places.apiPort, `port ${places.apiPort}`),
    serve('web', 'web-frontend', ports.web, webOrigin(places)),
  ]);

  const owned = opened.move();
  return {
    web: webOrigin(places),
    broker: places.brokerUrl,
    api: `http://${host}:${places.apiPort}`,
    entra,
    viewer: viewerUrl,
    redis,
    redisPrefix: places.redisPrefix,
    relays: { redis: redisRelay, broker: brokerRelay },
    cluster,
    logDir,
    stateDir,
    programs,
    brokerPorts,
    async restart(name) {
      const start = starts.get(name);
      const place = programs.findIndex((program) => program.name === name);
      if (!start || place < 0) throw new Error(`This world has no program ${name}.`);
      programs[place] = owned.use(await start());
    },
    visitor: () => owned.use(new Visitor()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The emulator's own seed with more people, who have nothing but a name. */
function seedWithPeople(n: number): object {
  return { ...builtInSeed, generate: [{ prefix: 'load', n, tid: 'contoso.test' }] };
}

/** Waits for all; the first that fails ends the others' starts, so that none comes up after we have given up. */
async function together(failing: AbortController, starts: Promise<void>[]): Promise<void> {
  let first: unknown;
  const settled = starts.map((start) =>
    start.catch((error: unknown) => {
      first ??= error;
      failing.abort();
    }),
  );
  await Promise.all(settled);
  if (first) throw first;
}

async function freePorts(): Promise<Ports> {
  const [web, entra, entraBrowser, entraAdmin] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  return { web, entra, entraBrowser, entraAdmin };
}
