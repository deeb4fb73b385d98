import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Child } from '../child.ts';
import type { Cluster } from '../cluster.ts';
import { freePort } from '../ports.ts';
import { openRedisClient, type RedisClient } from '../redis/client.ts';
import type { Redis } from '../redis/server.ts';
import type { Relay } from '../relay.ts';
import { until } from '../until.ts';
import { Visitor } from '../visitor.ts';
import { codeFor } from './authorize.ts';
import type { Entra } from './emulator.ts';
import type { Environment, Ground } from './environments.ts';
import type { Programs } from './programs.ts';
import { apiScope, grants, graphScope, namespace } from './registrations.ts';

export type BrokerResponse = { status: number; headers: Headers; body: Record<string, unknown>; ms: number };
type Broker = { url: string; admin: string; port: number; child: Child };

export type Parts = Ground & {
  viewerUrl: string | undefined;
  logDir: string;
  redis: Redis | undefined;
  redisPrefix: string;
  relays: { redis: Relay | undefined; broker: Relay };
  programs: Programs;
  brokerEnv: Environment;
  /** Whether callers know a broker by the address of all. */
  brokersShareUrl: boolean;
};

/**
 * Onbehalf as it runs in a cluster, on one machine: the real services as processes, a real Redis, Entra ID played; and
 * what callers of the broker need. `openSystem` opens it.
 */
export class System implements AsyncDisposable {
  /** Where people go: web-frontend, or where Entra ID believes that it is. */
  readonly web: string;
  /** Where the services find the broker: all its processes in turn. */
  readonly broker: string;
  readonly api: string;
  readonly viewerUrl: string | undefined;
  readonly emulator: Entra;
  readonly cluster: Cluster;
  readonly redisPrefix: string;
  /** Every program's log is a file here. */
  readonly logDir: string;
  /** What Kubernetes would mount, the emulator's CA, the password of an own Redis. Gone at the end. */
  readonly stateDir: string;
  readonly brokers: Broker[] = [];
  readonly #parts: Parts;
  readonly #opened: AsyncDisposableStack;
  readonly #assertions = new Map<string, Promise<string>>();
  #redisClient: Promise<RedisClient> | undefined;

  /** @param opened all that is closed with the system. */
  constructor(parts: Parts, opened: AsyncDisposableStack) {
    this.#parts = parts;
    this.#opened = opened;
    this.web = parts.web;
    this.broker = parts.broker;
    this.api = parts.api;
    this.viewerUrl = parts.viewerUrl;
    this.emulator = parts.emulator;
    this.cluster = parts.cluster;
    this.redisPrefix = parts.redisPrefix;
    this.logDir = parts.logDir;
    this.stateDir = parts.stateDir;
  }

  /** @throws Error where the brokers have a Redis of another kind: a test looks into that one there. */
  get redis(): Redis {
    return this.#parts.redis ?? missing('Redis of its own');
  }

  /** Between the broker and Redis, and between the services and the broker's processes. */
  get relays(): { redis: Relay; broker: Relay } {
    const { redis, broker } = this.#parts.relays;
    return { redis: redis ?? missing('relay before Redis'), broker };
  }

  /** The services' processes. */
  get programs(): Child[] {
    return this.#parts.programs.all;
  }

  /** The service of this name. @throws Error if there is none. */
  program(name: string): Child {
    return this.#parts.programs.find(name);
  }

  /** Where a service's admin listener is, as it says in its log. */
  adminOf(name: string): string {
    const lines = readFileSync(this.program(name).logFile, 'utf8').split('\n').filter(Boolean);
    const started = lines.map((line) => JSON.parse(line)).findLast(({ event }) => event === 'started');
    return `http://127.0.0.1:${started.config.admin.port}`;
  }

  /** Starts a program of this name that has ended once more, as it was. */
  async restart(name: string): Promise<void> {
    const { own } = this.#parts.redis ?? {};
    if (name === 'redis') return await (own?.restart() ?? missing('Redis process of its own'));
    const before = this.program(name);
    const child = await this.#parts.programs.restart(name);
    for (const broker of this.brokers) if (broker.child === before) broker.child = child;
  }

  /** One more broker, with further environment. `brokers` does not list it. */
  async startBroker(more: Environment = {}, name?: string, port?: number): Promise<Broker> {
    const { programs, brokerEnv, brokersShareUrl } = this.#parts;
    const [httpPort, adminPort] = [port ?? (await freePort()), await freePort()];
    const [url, admin] = [`http://127.0.0.1:${httpPort}`, `http://127.0.0.1:${adminPort}`];
    const child = await programs.start({
      ...{ room: 'token-broker', name: name ?? `token-broker-${httpPort}`, detail: `port ${httpPort}` },
      env: {
        ...brokerEnv,
        ...(!brokersShareUrl && { BROKER_URL: url }),
        ...more,
        ...{ HTTP_PORT: `${httpPort}`, ADMIN_PORT: `${adminPort}` },
      },
      readyUrl: `${admin}/readyz`,
    });
    return { url, admin, port: httpPort, child };
  }

  /** Closes it with the system, before what stood already. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#opened.use(resource);
  }

  /** A new person with a browser of their own. */
  visitor(): Visitor {
    return this.use(new Visitor());
  }

  /** Sends a form to one broker as one of the clients. */
  async post(broker: number, path: string, fields: Record<string, string>, as = 'web'): Promise<BrokerResponse> {
    const url = this.brokers[broker]?.url ?? '';
    const assertion = this.#assertions.get(as) ?? this.cluster.mint({ namespace, name: as, audience: 'token-broker' });
    this.#assertions.set(as, assertion);
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
  }

  /** Brings a person to the point where the code is to be redeemed; gives the form that does it. */
  async startSignIn(user: string, tenant = this.emulator.ids.tenants.contoso) {
    const code_verifier = randomBytes(32).toString('base64url');
    const [nonce, redirect_uri] = [randomUUID(), `${this.web}/auth/callback`];
    const code = await codeFor(this.emulator, { user, tenant, nonce, redirectUri: redirect_uri }, code_verifier);
    return { fields: { grant_type: 'authorization_code', code, nonce, redirect_uri, code_verifier } };
  }

  /** Signs a person in by the code grant; gives the session token. */
  async signIn(user: string, broker = 0): Promise<string> {
    const { fields } = await this.startSignIn(user);
    const { status, body } = await this.post(broker, '/oauth2/token', fields);
    if (status !== 200) throw new Error(`sign-in failed: ${JSON.stringify(body)}`);
    return String(body.access_token);
  }

  exchange(broker: number, session: string, scope = apiScope, more: Record<string, string> = {}) {
    return this.post(broker, '/oauth2/token', {
      grant_type: grants.exchange,
      subject_token: session,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope,
      ...more,
    });
  }

  /** Asks for a token on behalf of whom an access token is of. */
  onBehalfOf(broker: number, assertion: string, scope = graphScope, as = 'api') {
    const fields = { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', assertion, scope };
    return this.post(broker, '/oauth2/token', fields, as);
  }

  /** A method of the emulator's admin API. @throws Error unless it says yes. */
  async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.emulator.admin}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the emulator's ${method} ${path} says ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Token POSTs the emulator saw since the last `DELETE /counters`, by its name of the grant. */
  async calls(grantName?: string): Promise<number> {
    const { counts } = (await this.admin('GET', '/counters')) as {
      counts: { endpoint: string; grant: string; count: number }[];
    };
    const token = counts.filter((one) => one.endpoint === 'token' && (!grantName || one.grant === grantName));
    return token.reduce((sum, one) => sum + one.count, 0);
  }

  /** Looks into this system's Redis, past the relay. */
  async redisCommand(args: string[]): Promise<unknown> {
    this.#redisClient ??= openRedisClient(this.redis).then((client) =>
      this.#opened.adopt(client, () => client.destroy()),
    );
    return await (await this.#redisClient).sendCommand(args);
  }

  /** The system's keys that match, e.g. `session:*`, with their prefix. */
  async keys(pattern: string): Promise<string[]> {
    return ((await this.redisCommand(['KEYS', `${this.redisPrefix}${pattern}`])) as string[]).sort();
  }

  /** The system's keys that would stay for ever: with a TTL of -1. */
  async immortalKeys(): Promise<string[]> {
    const keys = await this.keys('*');
    const ends = await Promise.all(keys.map((key) => this.redisCommand(['TTL', key])));
    return keys.filter((_, i) => ends[i] === -1);
  }

  /** Waits until it is so, for at most 30 s. */
  until(condition: () => Promise<boolean>): Promise<void> {
    return until(condition, 'it becomes so');
  }

  /** Ends everything in reverse, and leaves nothing behind but the logs. */
  async close(): Promise<void> {
    await this.#opened.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function missing(what: string): never {
  throw new Error(`This system has no ${what}.`);
}
