import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/logger';
import { Secret } from '@onbehalf/chassis/secret';
import { type Redis as Connection, connectRedis } from '../services/token-broker/src/redis.ts';
import { storeContract } from '../services/token-broker/src/store.contract.ts';
import type { Store } from '../services/token-broker/src/store.ts';
import { redisStore } from '../services/token-broker/src/store-redis.ts';
import { openRedis, type Redis } from './redis.ts';

let redis: Redis;
let connection: Connection;
let store: Store;

before(async () => {
  redis = await openRedis({ cacheDir: '.cache', logDir: 'out/store-redis' });
  const channel = `test:${randomUUID()}:events`;
  const logger = createLogger({ level: 'silent', service: 'test' });
  const password = redis.password === undefined ? undefined : new Secret(redis.password);
  const options = {
    url: `redis://${redis.host}:${redis.port}`,
    mode: 'standalone' as const,
    username: redis.username,
    password,
    commandTimeoutMs: 250,
  };
  connection = connectRedis(options, channel, logger);
  store = redisStore(connection, channel);
  while (connection.events.downSinceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
});

after(async () => {
  await connection[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

storeContract('the Redis store', async () => ({
  store,
  ttlMs: async (key) => Number(await connection.command(key, ['PTTL', key])),
}));

describe('the Redis store', () => {
  it('gives back bytes as they were', async () => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await store.set('contract:{bytes}', value, 1_000);
    assert.deepEqual(await store.get('contract:{bytes}'), value);
  });
});
