import { join } from 'node:path';
import { type KeyRing, readKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { RESP_TYPES } from 'redis';
import { createRedisKeys, type RedisKeys, readIndexKey } from '../../../services/token-broker/src/store/redis-keys.ts';
import { createSealing, type Opened, type Sealing } from '../../../services/token-broker/src/store/sealing.ts';
import type { System } from '../system/system.ts';
import { openRedisClient } from './client.ts';

/** What lies in the brokers' Redis, for someone who holds their key ring. */
export type RedisInspector = AsyncDisposable & {
  redisKeys: RedisKeys;
  sealing: Sealing;
  /** The mounted ring's directory; `reload` reads it again. */
  ringDirectory: string;
  reload(): Promise<void>;
  /** Every key of the system. */
  keys(): Promise<string[]>;
  type(key: string): Promise<string>;
  ttl(key: string): Promise<number>;
  /** One command; bulk answers are Buffers. */
  command(...args: (string | Buffer)[]): Promise<unknown>;
  /** A value, or a field of a HASH, as it lies there. */
  raw(key: string, field?: string): Promise<Buffer | undefined>;
  /** Replaces it, without touching the TTL. */
  put(key: string, field: string | undefined, value: Buffer): Promise<void>;
  fields(key: string): Promise<string[]>;
  /** A sealed value opened; undefined if it does not open. */
  open(key: string, field?: string): Promise<Opened | undefined>;
};

/** Opens the system's Redis and key ring. */
export async function openRedisInspector({ redis, redisPrefix: prefix, stateDir }: System): Promise<RedisInspector> {
  const client = await openRedisClient(redis, {
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  const ringDirectory = join(stateDir, 'sealing');
  let ring: KeyRing = readKeyRing(ringDirectory);
  const sealing = createSealing(() => ring);
  const command = (...args: (string | Buffer)[]) => client.sendCommand(args) as Promise<unknown>;
  const texts = (reply: unknown) => Array.from(reply as Iterable<unknown>, String).sort();

  const inspector: Omit<RedisInspector, typeof Symbol.asyncDispose> = {
    ...{ redisKeys: createRedisKeys(readIndexKey(ring), prefix), sealing, ringDirectory, command },
    async reload() {
      ring = readKeyRing(ringDirectory);
    },
    keys: async () => texts(await command('KEYS', `${prefix}*`)),
    type: async (key) => String(await command('TYPE', key)),
    ttl: async (key) => Number(await command('TTL', key)),
    async raw(key, field) {
      const value = await (field === undefined ? command('GET', key) : command('HGET', key, field));
      return Buffer.isBuffer(value) ? value : undefined;
    },
    async put(key, field, value) {
      await (field === undefined ? command('SET', key, value, 'KEEPTTL') : command('HSET', key, field, value));
    },
    fields: async (key) => texts(await command('HKEYS', key)),
    async open(key, field) {
      const value = await inspector.raw(key, field);
      if (!value) return undefined;
      if (field === undefined) return sealing.open(value, key);
      return sealing.open(sealedPart(field, value), `${key} ${field}`);
    },
  };
  return { ...inspector, [Symbol.asyncDispose]: async () => client.destroy() };
}

/** A token record lies behind its fence and its end, which the broker's scripts read. */
export function sealedPart(field: string, value: Buffer): Buffer {
  if (!field.startsWith('t:')) return value;
  return value.subarray(value.indexOf('|', value.indexOf('|') + 1) + 1);
}
