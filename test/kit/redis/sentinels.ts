import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'redis';
import { startChild } from '../child.ts';
import { freePort } from '../ports.ts';
import { findRedisServer, openRedis, type Redis } from './server.ts';

type Sentinel = AsyncDisposable & { port: number; tlsPort: number | undefined };
export type RedisSentinels = AsyncDisposable & {
  /** The first is the master at the beginning. */
  servers: (Redis & { tlsPort: number | undefined })[];
  sentinels: Sentinel[];
  /** Of the servers. */
  password: string;
  sentinelPassword: string;
  master: string;
  /** The port of the server that most sentinels call the master. */
  masterPort(): Promise<number>;
};

type SentinelsOptions = {
  /** Further lines of every configuration, of servers and sentinels. */
  settings?: string[];
  tls?: boolean;
};

/** How long a master must be silent to be given up. */
const downAfterMs = 1_000;
const master = 'the-master';

/** Opens a real master with a replica, and three real sentinels that watch them. */
export async function openRedisSentinels(
  logDir: string,
  { settings = [], tls = false }: SentinelsOptions = {},
): Promise<RedisSentinels> {
  const opened = new AsyncDisposableStack();
  await using _untilWhole = { [Symbol.asyncDispose]: () => (whole ? Promise.resolve() : opened.disposeAsync()) };
  let whole = false;
  const [password, sentinelPassword] = [randomBytes(18).toString('base64url'), randomBytes(18).toString('base64url')];
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-sentinels-'));
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  const env = { ...process.env, REDIS_URL: undefined };

  const openServer = async (name: string, following?: Redis) => {
    const tlsPort = tls ? await freePort() : undefined;
    const lines = [
      ...settings,
      ...(tlsPort === undefined ? [] : [`tls-port ${tlsPort}`]),
      `masterauth ${password}`,
      ...(following ? [`replicaof ${following.host} ${following.port}`] : []),
      'repl-diskless-sync-delay 0',
    ];
    const options = { cacheDir: '.cache', logDir: join(logDir, name), env, password, settings: lines };
    return { ...opened.use(await openRedis(options)), tlsPort };
  };
  const first = await openServer('server-1');
  const second = await openServer('server-2', first);

  const found = await findRedisServer({ cacheDir: '.cache', env });
  if (!found) throw new Error('there is no Redis that can be started here');
  const openSentinel = async (number: number): Promise<Sentinel> => {
    const [port, tlsPort] = [await freePort(), tls ? await freePort() : undefined];
    const file = join(directory, `sentinel-${number}.conf`);
    const lines = [
      ...['bind 127.0.0.1', `port ${port}`, `dir ${directory}`, `requirepass ${sentinelPassword}`],
      ...settings,
      ...(tlsPort === undefined ? [] : [`tls-port ${tlsPort}`]),
      `sentinel sentinel-pass ${sentinelPassword}`,
      `sentinel monitor ${master} ${first.host} ${first.port} 2`,
      `sentinel auth-pass ${master} ${password}`,
      `sentinel down-after-milliseconds ${master} ${downAfterMs}`,
      `sentinel failover-timeout ${master} 5000`,
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    const child = await startChild({
      name: `sentinel-${number}`,
      command: found.program.command,
      args: [file, '--sentinel'],
      env: { PATH: process.env.PATH ?? '', ...found.program.env },
      logFile: join(logDir, `sentinel-${number}.log`),
      ready: async () => (await ask(port, ['SENTINEL', 'MASTER', master])) !== undefined,
    });
    opened.use(child);
    return { port, tlsPort, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  };
  const ask = async (port: number, args: string[]) => {
    const client = createClient({
      socket: { host: '127.0.0.1', port, reconnectStrategy: false },
      password: sentinelPassword,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.sendCommand(args)) as Record<string, string>;
    } finally {
      client.destroy();
    }
  };
  const sentinels = [await openSentinel(1), await openSentinel(2), await openSentinel(3)];
  const knowsAll = async ({ port }: Sentinel) => {
    const { 'num-slaves': replicas, 'num-other-sentinels': others } = await ask(port, ['SENTINEL', 'MASTER', master]);
    return replicas === '1' && others === '2';
  };
  for (const sentinel of sentinels) await until(() => knowsAll(sentinel), 'the sentinels do not know each other');
  whole = true;
  return {
    ...{ servers: [first, second], sentinels, password, sentinelPassword, master },
    async masterPort() {
      const said = await Promise.allSettled(sentinels.map(({ port }) => ask(port, ['SENTINEL', 'MASTER', master])));
      const ports = said.flatMap((one) => (one.status === 'fulfilled' ? [Number(one.value.port)] : []));
      return ports.find((port) => ports.filter((other) => other === port).length > 1) ?? 0;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function until(condition: () => Promise<boolean>, otherwise: string): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`${otherwise} within 30 s`);
    await delay(50);
  }
}
