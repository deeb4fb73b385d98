import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../child.ts';
import type { Program } from '../debian/packages.ts';
import { freePort } from '../ports.ts';
import { until } from '../until.ts';
import { withRedis } from './client.ts';
import { findRedisServer, openRedis, type Redis } from './server.ts';

type Server = Redis & { tlsPort: number | undefined };
type Sentinel = { port: number; tlsPort: number | undefined };

type SentinelsOptions = {
  /** Further lines of every configuration, of servers and sentinels. */
  settings?: string[];
  tls?: boolean;
};

/** How long a master must be silent to be given up. */
const downAfterMs = 1_000;
const env = { ...process.env, REDIS_URL: undefined };
const newPassword = () => randomBytes(18).toString('base64url');

/** A real master with a replica, and three real sentinels that watch them. */
export class RedisSentinels implements AsyncDisposable {
  /** The first is the master at the beginning. */
  readonly servers: Server[] = [];
  readonly sentinels: Sentinel[] = [];
  /** Of the servers. */
  readonly password = newPassword();
  readonly sentinelPassword = newPassword();
  readonly master = 'the-master';
  readonly #opened = new AsyncDisposableStack();
  readonly #logDir: string;
  readonly #settings: string[];
  readonly #tls: boolean;

  constructor(logDir: string, { settings = [], tls = false }: SentinelsOptions) {
    this.#logDir = logDir;
    this.#settings = settings;
    this.#tls = tls;
  }

  /** Starts them all, and waits until the sentinels know each other and the replica. */
  async open(): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'onbehalf-sentinels-'));
    this.#opened.defer(() => rm(directory, { recursive: true, force: true }));
    const first = await this.#openServer();
    await this.#openServer(first);
    const found = await findRedisServer({ cacheDir: '.cache', env });
    if (!found) throw new Error('there is no Redis that can be started here');
    for (const number of [1, 2, 3]) await this.#openSentinel(number, directory, first, found.program);
    for (const sentinel of this.sentinels)
      await until(() => this.#knowsAll(sentinel).catch(() => false), 'the sentinels know each other');
  }

  /** The port of the server that most sentinels call the master. */
  async masterPort(): Promise<number> {
    const said = await Promise.allSettled(this.sentinels.map(({ port }) => this.#findMaster(port)));
    const ports = said.flatMap((one) => (one.status === 'fulfilled' ? [Number(one.value.port)] : []));
    return ports.find((port) => ports.filter((other) => other === port).length > 1) ?? 0;
  }

  /** A command to the sentinel at this port. */
  ask(port: number, ...command: string[]): Promise<unknown> {
    const at = { host: '127.0.0.1', port, password: this.sentinelPassword };
    return withRedis(at, (client) => client.sendCommand(command), { reconnects: false });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }

  async #openServer(following?: Redis): Promise<Server> {
    const [tlsPort, tlsSettings] = await this.#openTlsPort();
    const settings = [
      ...[...this.#settings, ...tlsSettings, `masterauth ${this.password}`, 'repl-diskless-sync-delay 0'],
      ...(following ? [`replicaof ${following.host} ${following.port}`] : []),
    ];
    const logDir = join(this.#logDir, `server-${this.servers.length + 1}`);
    const redis = await openRedis({ cacheDir: '.cache', logDir, env, password: this.password, settings });
    const server = { ...this.#opened.use(redis), tlsPort };
    this.servers.push(server);
    return server;
  }

  async #openSentinel(number: number, directory: string, { host, port: at }: Redis, program: Program): Promise<void> {
    const port = await freePort();
    const [tlsPort, tlsSettings] = await this.#openTlsPort();
    const file = join(directory, `sentinel-${number}.conf`);
    const { master } = this;
    const lines = [
      ...['bind 127.0.0.1', `port ${port}`, `dir ${directory}`, `requirepass ${this.sentinelPassword}`],
      ...[...this.#settings, ...tlsSettings, `sentinel sentinel-pass ${this.sentinelPassword}`],
      `sentinel monitor ${master} ${host} ${at} 2`,
      `sentinel auth-pass ${master} ${this.password}`,
      `sentinel down-after-milliseconds ${master} ${downAfterMs}`,
      `sentinel failover-timeout ${master} 5000`,
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    const child = await startChild({
      name: `sentinel-${number}`,
      command: program.command,
      args: [file, '--sentinel'],
      env: { PATH: process.env.PATH ?? '', ...program.env },
      logFile: join(this.#logDir, `sentinel-${number}.log`),
      ready: async () => (await this.#findMaster(port)) !== undefined,
    });
    this.#opened.use(child);
    this.sentinels.push({ port, tlsPort });
  }

  async #openTlsPort(): Promise<[tlsPort: number | undefined, settings: string[]]> {
    if (!this.#tls) return [undefined, []];
    const tlsPort = await freePort();
    return [tlsPort, [`tls-port ${tlsPort}`]];
  }

  async #findMaster(port: number): Promise<Record<string, string>> {
    return (await this.ask(port, 'SENTINEL', 'MASTER', this.master)) as Record<string, string>;
  }

  async #knowsAll({ port }: Sentinel): Promise<boolean> {
    const { 'num-slaves': replicas, 'num-other-sentinels': others } = await this.#findMaster(port);
    return replicas === '1' && others === '2';
  }
}

/** Opens a master, a replica and sentinels; disposing ends every process. */
export async function openRedisSentinels(logDir: string, options: SentinelsOptions = {}): Promise<RedisSentinels> {
  const sentinels = new RedisSentinels(logDir, options);
  try {
    await sentinels.open();
    return sentinels;
  } catch (error) {
    await sentinels[Symbol.asyncDispose]();
    throw error;
  }
}
