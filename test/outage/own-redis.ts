import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRedisClient } from '../kit/redis/client.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';

/** A Redis of our own with its data on disk, which may be stopped, frozen, and opened again where it was. */
export type OwnRedis = AsyncDisposable & {
  redis: Redis;
  /** One command to the server itself. */
  command(...args: string[]): Promise<unknown>;
  /** A signal to the server's process. */
  signal(signal: NodeJS.Signals): void;
  /** Ends the server; its data stays. */
  stop(): Promise<void>;
  /** A server with the same data and password, on another port; the first must have ended. */
  reopen(): Promise<OwnRedis>;
};

type Place = { name: string; directory: string; password: string };

/** Opens one that keeps what it holds, as architecture.md asks of production. */
export async function openOwnRedis(name: string, settings: string[] = [], password = newPassword()): Promise<OwnRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-redis-'));
  const own = await open({ name, directory, password }, settings);
  return {
    ...own,
    async [Symbol.asyncDispose]() {
      await own.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function open(place: Place, further: string[]): Promise<OwnRedis> {
  const { name, directory, password } = place;
  const settings = [`dir ${directory}`, 'appendonly yes', 'appendfsync everysec', `masterauth ${password}`, ...further];
  // Not the one that all tests share: this one is harmed.
  const env = { ...process.env, REDIS_URL: undefined };
  const redis = await openRedis({ cacheDir: '.cache', logDir: join('out', name), env, settings, password });
  // One connection for all: it stays good when the password changes.
  const client = await openRedisClient({ ...redis, password }, { reconnects: false });
  const command = (...args: string[]) => client.sendCommand(args) as Promise<unknown>;
  const pid = Number(/process_id:(\d+)/.exec(String(await command('INFO', 'server')))?.[1]);
  const stop = async () => {
    if (client.isOpen) client.destroy();
    await redis[Symbol.asyncDispose]();
  };
  return {
    ...{ redis, command, stop, [Symbol.asyncDispose]: stop },
    signal: (signal) => void process.kill(pid, signal),
    reopen: () => open(place, further),
  };
}

const newPassword = () => randomBytes(18).toString('base64url');
