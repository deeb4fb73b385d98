import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startChild } from '../child.ts';
import type { Program } from '../debian/packages.ts';
import { freePort } from '../ports.ts';
import { fetchDebianRedis } from './debian.ts';

export type Redis = AsyncDisposable & {
  host: string;
  port: number;
  username?: string;
  password?: string;
  /** Which of the four ways it came by, in words. */
  source: string;
  /** A client for a terminal: the one that came with the server. */
  cli?: Program;
  /** The process of an own one, which may be killed, and started again as it was: empty. */
  own?: { process(): ChildProcess; restart(): Promise<void> };
  /** Where its own log is; a Redis that is not ours has none here. */
  logFile?: string;
};

type RedisOptions = {
  /** Where downloads are kept. */
  cacheDir: string;
  /** Where the log of an own process goes. */
  logDir: string;
  env?: Record<string, string | undefined>;
  /** This server and no other; its own process. */
  program?: Program;
  /** Further lines of an own one's configuration. */
  settings?: string[];
  /** Of an own one; a fresh one unless said. */
  password?: string;
  onDeath?: (sentence: string, name: string) => void;
};

const fourWays =
  'There is no Redis: set REDIS_URL to one that may be used, or install redis-server (or valkey-server), or be on ' +
  'Debian or Ubuntu with a reachable mirror, or set REDIS_IMAGE where Docker runs.';

/**
 * A real Redis without being root, by the first way that works: `REDIS_URL`, a server on PATH, Debian's packages
 * unpacked into the cache, a container of `REDIS_IMAGE`. An own one listens on a free loopback port, wants a password
 * and keeps nothing on disk; a foreign one is never flushed.
 * @throws Error in one sentence that names the four ways.
 */
export async function openRedis(options: RedisOptions): Promise<Redis> {
  const { program, env = process.env } = options;
  if (program) return start(program, program.command, options);
  if (env.REDIS_URL) return given(env.REDIS_URL);
  const found = await findRedisServer(options);
  if (found) return start(found.program, found.source, options);
  if (env.REDIS_IMAGE && spawnSync('docker', ['info'], { timeout: 5_000 }).status === 0) {
    return startContainer(env.REDIS_IMAGE, options);
  }
  throw new Error(fourWays);
}

/** A server that can be started here: the one on PATH, else Debian's; `undefined` if there is none. */
export async function findRedisServer({
  cacheDir,
  env = process.env,
}: Pick<RedisOptions, 'cacheDir' | 'env'>): Promise<{ program: Program; source: string } | undefined> {
  const path = env.PATH ?? '';
  const installed = onPath('redis-server', path) ?? onPath('valkey-server', path);
  if (installed) return { program: { command: installed, env: {} }, source: installed };
  const fetched = await fetchDebianRedis(cacheDir);
  return fetched && { program: fetched, source: "Debian's redis-server, unpacked into .cache" };
}

function given(url: string): Redis {
  const { protocol, hostname, port, username, password } = new URL(url);
  if (protocol !== 'redis:') throw new Error('REDIS_URL must be a redis:// URL: tests and demo speak no TLS to Redis.');
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 6379),
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
    source: 'the one of REDIS_URL',
    async [Symbol.asyncDispose]() {},
  };
}

function onPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Most folders on PATH do not have it.
    return false;
  }
}

async function start({ command, env }: Program, source: string, options: RedisOptions): Promise<Redis> {
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-redis-'));
  const redis = await startServer(command, ['-'], { env, source, settings: [`dir ${directory}`] }, options);
  return {
    ...redis,
    cli: { command: command.replace(/-server$/, '-cli'), env },
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function startContainer(image: string, options: RedisOptions): Promise<Redis> {
  const server = 'exec "$(command -v redis-server || command -v valkey-server)" -';
  const args = (port: number) => ['run', '--rm', '-i', '-p', `127.0.0.1:${port}:${port}`, image, 'sh', '-c', server];
  return startServer('docker', args, { env: {}, source: `a container of ${image}`, settings: ['bind *'] }, options);
}

type Server = { env: Record<string, string>; source: string; settings: string[] };

/** Its configuration goes through standard input, so that no process list shows the password. */
async function startServer(
  command: string,
  args: string[] | ((port: number) => string[]),
  { env, source, settings }: Server,
  { logDir, onDeath, settings: further = [], password = randomBytes(18).toString('base64url') }: RedisOptions,
): Promise<Redis> {
  const port = await freePort();
  const base = ['bind 127.0.0.1', `port ${port}`, `requirepass ${password}`, 'save ""', 'appendonly no'];
  const lines = [...base, ...settings, ...further];
  const logFile = join(logDir, 'redis.log');
  const start = () =>
    startChild({
      name: 'redis',
      command,
      args: typeof args === 'function' ? args(port) : args,
      input: `${lines.join('\n')}\nmaxmemory-policy noeviction\n`,
      env: { PATH: process.env.PATH ?? '', ...env },
      logFile,
      ready: () => pongs(port, password),
      ...(onDeath && { onDeath }),
    });
  let child = await start();
  const own = {
    process: () => child.process,
    restart: async () => {
      child = await start();
    },
  };
  const dispose = () => child[Symbol.asyncDispose]();
  return { host: '127.0.0.1', port, password, source, own, logFile, [Symbol.asyncDispose]: dispose };
}

/** Whether a Redis with this password answers PING. */
function pongs(port: number, password: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
  let answer = '';
  socket.setTimeout(1_000, () => socket.destroy());
  socket.on('data', (chunk) => {
    answer += chunk;
    if (answer.includes('+PONG')) resolve(true);
    if (answer.includes('+PONG') || answer.includes('-')) socket.destroy();
  });
  socket.on('error', () => {});
  socket.on('close', () => resolve(false));
  return promise;
}
