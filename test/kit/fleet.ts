import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { createEmulator, type Emulator } from '../../services/entra-emulator/src/emulator.ts';
import { answers, type Child, startChild } from './child.ts';
import { type Cluster, openCluster, subjectOf } from './cluster.ts';
import { startEmulator } from './emulator-process.ts';
import { mountFiles, mountJson, mountKeyRing } from './mounts.ts';
import { freePort } from './ports.ts';
import { openRedisClient } from './redis/client.ts';
import { openRedis, type Redis } from './redis/server.ts';
import { openRelay, type Relay } from './relay.ts';

export const apiScope = 'api://onbehalf-api/access_as_user';
export const graphScope = 'https://graph.microsoft.com/User.Read';
export const appScope = 'api://onbehalf-api/.default';
const namespace = 'onbehalf';
const grant = (name: string) => `urn:ietf:params:oauth:grant-type:${name}`;
export const grants = { exchange: grant('token-exchange'), jwtBearer: grant('jwt-bearer') };
const redirectUri = 'http://localhost:3000/auth/callback';

/** Several programs start at once, beside whatever else a machine does. */
const startWithinMs = 30_000;

type FleetOptions = {
  name: string;
  brokers?: number;
  /** How many people `load00001`, `load00002` … there are. */
  people?: number;
  env?: Record<string, string>;
  /** `each`: no two of Entra's tokens are the same. Default: `load`, which costs less. */
  signing?: 'each' | 'load';
  /** Gives the emulator a process of its own; else it shares this one. */
  emulatorApart?: boolean;
  /** Puts a relay before Redis, to cut and freeze it. It shares this process. */
  relayed?: boolean;
  /** In place of an own Redis: what the brokers are told of another one, e.g. a Redis Cluster. */
  redisEnv?: (stateDir: string, emulator: Emulator) => Promise<Record<string, string>>;
  /** Scopes beyond the usual that the client `web` may ask for. */
  scopes?: string[];
  /** Changes the emulator's seed, e.g. by further scopes of an API. */
  seed?: (usual: ReturnType<typeof withPeople>) => object;
  /** Changes the brokers' clients; `directory` is there for files of theirs. */
  clients?: (usual: ReturnType<typeof clients>, emulator: Emulator, directory: string) => object | Promise<object>;
};

export type Answer = { status: number; headers: Headers; body: Record<string, unknown>; ms: number };

/** Several broker processes over one Redis and one emulator, and what a caller needs to use them. */
export type Fleet = AsyncDisposable & {
  brokers: { url: string; child: Child; admin: string }[];
  emulator: Emulator;
  /** The process that the emulator is in. */
  emulatorPid: number;
  redis: Redis | undefined;
  relay: Relay | undefined;
  prefix: string;
  stateDir: string;
  cluster: Cluster;
  /** Sends a form to one broker as one of the clients. */
  post(broker: number, path: string, fields: Record<string, string>, as?: string): Promise<Answer>;
  /** Brings a person to the point where the code is to be redeemed; gives the form that does it. */
  startSignIn(user: string, tenant?: string): Promise<{ fields: Record<string, string> }>;
  /** Signs a person in by the code grant; gives the session token. */
  signIn(user: string, broker?: number): Promise<string>;
  exchange(broker: number, session: string, scope?: string, more?: Record<string, string>): Promise<Answer>;
  /** Asks for a token on behalf of whom an access token is of. */
  onBehalfOf(broker: number, assertion: string, scope?: string, as?: string): Promise<Answer>;
  /** A method of the emulator's admin API. */
  admin(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Token POSTs the emulator saw since the last `DELETE /counters`, by its name of the grant. */
  calls(grantName?: string): Promise<number>;
  /** Looks into this fleet's Redis, past the relay. */
  redisCommand(args: string[]): Promise<unknown>;
  /** The fleet's keys that match, e.g. `session:*`, with their prefix. */
  keys(pattern: string): Promise<string[]>;
  /** The fleet's keys that would stay for ever: with a TTL of -1. */
  immortalKeys(): Promise<string[]>;
  /** Waits until it is so, for at most 30 s. */
  until(condition: () => Promise<boolean>): Promise<void>;
  /** One more broker, with further environment. */
  startBroker(more?: Record<string, string>): Promise<{ url: string; child: Child; admin: string }>;
};

/** Opens a fleet; disposing ends every process of it. */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const { name, brokers = 3, people = 0, env = {} } = options;
  const opened = new AsyncDisposableStack();
  await using _untilWhole = { [Symbol.asyncDispose]: () => (whole ? Promise.resolve() : opened.disposeAsync()) };
  let whole = false;
  const logDir = join('out', name);
  await rm(logDir, { recursive: true, force: true });
  const stateDir = await mkdtemp(join(tmpdir(), 'onbehalf-'));
  opened.defer(() => rm(stateDir, { recursive: true, force: true }));
  const cluster = opened.use(await openCluster(join(stateDir, 'accounts')));
  const playing = { stateDir: join(stateDir, 'emulator'), signing: options.signing ?? 'load' } as const;
  const seed = options.seed?.(withPeople(people)) ?? withPeople(people);
  const { emulator, pid: emulatorPid } = options.emulatorApart
    ? await startEmulator({ ...playing, seed, issuer: cluster.issuer, logFile: join(logDir, 'entra-emulator.log') })
    : {
        emulator: await createEmulator({ ...playing, seed, federatedIssuers: [{ issuer: cluster.issuer }] }),
        pid: process.pid,
      };
  opened.use(emulator);
  const prefix = `t:${randomBytes(6).toString('hex')}:`;
  const redis = options.redisEnv ? undefined : opened.use(await openRedis({ cacheDir: '.cache', logDir }));
  const relay = redis && options.relayed ? opened.use(await openRelay(redis)) : undefined;
  const mounted = await mountFiles(join(stateDir, 'redis'), { password: redis?.password ?? '' });
  const jobSecret = join(await mountFiles(join(stateDir, 'job'), { secret: 'job-secret' }), 'secret');
  const usual = clients(emulator, jobSecret, options.scopes ?? []);
  const environment = {
    PATH: process.env.PATH ?? '',
    ...(process.env.NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
    ...(process.env.REDIS_COMMAND_TIMEOUT_MS && { REDIS_COMMAND_TIMEOUT_MS: process.env.REDIS_COMMAND_TIMEOUT_MS }),
    NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem'),
    BIND_ADDRESS: '127.0.0.1',
    SHUTDOWN_DELAY_MS: '0',
    DRAIN_MS: '2000',
    LOG_LEVEL: 'debug',
    // Load is as quick as the machine: the rates of callers and sessions are tried beside the broker's sources.
    ...{ CALLERS_RATE: '100000', SESSION_RATE: '100000' },
    ENTRA_AUTHORITY_HOST: emulator.origin,
    CLIENTS_FILE: await mountJson(
      stateDir,
      'clients.json',
      (await options.clients?.(usual, emulator, stateDir)) ?? usual,
    ),
    CALLERS_ISSUER: cluster.issuer,
    SEALING_KEYS_DIR: await mountKeyRing(join(stateDir, 'sealing')),
    AZURE_FEDERATED_TOKEN_FILE: await cluster.mountToken({
      namespace,
      name: 'token-broker',
      audience: 'api://AzureADTokenExchange',
    }),
    REDIS_KEY_PREFIX: prefix,
    ...(redis && { REDIS_URL: `redis://${redis.host}:${relay?.port ?? redis.port}` }),
    ...(redis?.password && { REDIS_AUTH: 'password', REDIS_PASSWORD_FILE: join(mounted, 'password') }),
    ...(redis?.username && { REDIS_USERNAME: redis.username }),
    ...(await options.redisEnv?.(stateDir, emulator)),
    ...env,
  };

  const redisClient = redis && (await openRedisClient(redis));
  opened.defer(() => redisClient?.destroy());

  const startBroker = async (more: Record<string, string> = {}) => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const admin = `http://127.0.0.1:${adminPort}`;
    const child = await startChild({
      name: `token-broker-${port}`,
      command: process.execPath,
      args: ['services/token-broker/src/main.ts'],
      env: { ...environment, ...more, BROKER_URL: url, HTTP_PORT: String(port), ADMIN_PORT: String(adminPort) },
      logFile: join(logDir, `token-broker-${port}.log`),
      ready: () => answers(`${admin}/readyz`),
      withinMs: startWithinMs,
    });
    opened.use(child);
    return { url, child, admin };
  };
  const started = await Promise.all(Array.from({ length: brokers }, () => startBroker()));
  const assertions = new Map<string, Promise<string>>();

  const fleet: Omit<Fleet, typeof Symbol.asyncDispose> = {
    ...{ brokers: started, emulator, emulatorPid, redis, relay, prefix, stateDir, cluster, startBroker },
    async post(broker, path, fields, as = 'web') {
      const url = started[broker]?.url ?? '';
      const assertion = assertions.get(as) ?? cluster.mint({ namespace, name: as, audience: 'token-broker' });
      assertions.set(as, assertion);
      const startedMs = performance.now();
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        body: new URLSearchParams({
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await assertion,
          ...fields,
        }),
        signal: AbortSignal.timeout(30_000),
      });
      const body = (await response.json()) as Record<string, unknown>;
      return { status: response.status, headers: response.headers, body, ms: performance.now() - startedMs };
    },
    async startSignIn(user, tenant = emulator.ids.tenants.contoso) {
      const code_verifier = randomBytes(32).toString('base64url');
      const nonce = randomUUID();
      const code = await authorize(emulator, { user, tenant, nonce, verifier: code_verifier });
      return { fields: { grant_type: 'authorization_code', code, nonce, redirect_uri: redirectUri, code_verifier } };
    },
    async signIn(user, broker = 0) {
      const { fields } = await fleet.startSignIn(user);
      const answer = await fleet.post(broker, '/oauth2/token', fields);
      if (answer.status !== 200) throw new Error(`sign-in failed: ${JSON.stringify(answer.body)}`);
      return String(answer.body.access_token);
    },
    exchange: (broker, session, scope = apiScope, more = {}) =>
      fleet.post(broker, '/oauth2/token', {
        grant_type: grants.exchange,
        subject_token: session,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope,
        ...more,
      }),
    onBehalfOf: (broker, assertion, scope = graphScope, as = 'api') =>
      fleet.post(
        broker,
        '/oauth2/token',
        { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', assertion, scope },
        as,
      ),
    async admin(method, path, body) {
      const response = await fetch(`${emulator.admin}${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
        signal: AbortSignal.timeout(10_000),
      });
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return response.status === 204 ? undefined : await response.json();
    },
    async calls(grantName) {
      const { counts } = (await fleet.admin('GET', '/counters')) as {
        counts: { endpoint: string; grant: string; count: number }[];
      };
      const token = counts.filter((one) => one.endpoint === 'token' && (!grantName || one.grant === grantName));
      return token.reduce((sum, one) => sum + one.count, 0);
    },
    async redisCommand(args) {
      if (!redisClient) throw new Error('this fleet has a Redis of its own kind: look into it there');
      return await redisClient.sendCommand(args);
    },
    async keys(pattern) {
      const found = await fleet.redisCommand(['KEYS', `${prefix}${pattern}`]);
      return (found as string[]).sort();
    },
    async immortalKeys() {
      const keys = await fleet.keys('*');
      const ends = await Promise.all(keys.map((key) => fleet.redisCommand(['TTL', key])));
      return keys.filter((_, i) => ends[i] === -1);
    },
    async until(condition) {
      const endMs = performance.now() + 30_000;
      while (!(await condition())) {
        if (performance.now() > endMs) throw new Error('it did not become so within 30 s');
        await delay(20);
      }
    },
  };
  whole = true;
  return { ...fleet, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Walks the authorize endpoint as a browser whose person says yes to everything; gives the code. */
async function authorize(
  emulator: Emulator,
  { user, tenant, nonce, verifier }: { user: string; tenant: string; nonce: string; verifier: string },
): Promise<string> {
  const upn = user.includes('@') ? user : `${user}@contoso.test`;
  await fetch(`${emulator.admin}/interaction`, {
    method: 'PUT',
    body: JSON.stringify({ mode: 'auto', user: upn }),
  });
  const url = new URL(`${emulator.browserOrigin}/${tenant}/oauth2/v2.0/authorize`);
  url.search = new URLSearchParams({
    client_id: emulator.ids.apps.web,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: `openid profile offline_access ${apiScope}`,
    login_hint: upn,
    nonce,
    state: randomUUID(),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const response = await fetch(url, { redirect: 'manual' });
  const code = new URL(response.headers.get('location') ?? 'x:', url).searchParams.get('code');
  if (!code) throw new Error(`the emulator gave no code: ${response.status} ${(await response.text()).slice(0, 500)}`);
  return code;
}

/** The seed, with consent of an administrator for these scopes at the client `web`, and whatever else of it is changed. */
export function consentedWeb(usual: ReturnType<typeof withPeople>, scopes: string[], more: object = {}) {
  const apps = usual.apps.map((app) => (app.name === 'web' ? { ...app, adminConsent: scopes, ...more } : app));
  return { ...usual, apps };
}

function withPeople(n: number) {
  return { ...builtInSeed, generate: n > 0 ? [{ prefix: 'load', n, tid: 'contoso.test' }] : [] };
}

function clients(emulator: Emulator, jobSecret: string, scopes: string[]) {
  const { web, api, job } = emulator.ids.apps;
  const client = (clientId: string, account: string) => ({
    tenantId: emulator.ids.tenants.contoso,
    clientId,
    subjects: [subjectOf({ namespace, name: account })],
    credentials: [{ type: 'federated' }],
  });
  return {
    web: {
      ...client(web, 'web'),
      grants: ['authorization_code', grants.exchange],
      scopes: [apiScope, graphScope, ...scopes],
      redirectUris: [redirectUri],
    },
    api: { ...client(api, 'api'), grants: [grants.jwtBearer], scopes: [graphScope] },
    job: {
      ...client(job, 'job'),
      credentials: [{ type: 'secret', file: jobSecret }],
      grants: ['client_credentials'],
      scopes: [appScope],
    },
    operator: { ...client(job, 'operator'), grants: ['client_credentials'], permissions: ['operator'] },
  };
}
