import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { passwordCredentials } from '../../services/token-broker/src/redis/password.ts';
import { type Redis as Connection, connectRedis } from '../../services/token-broker/src/redis/redis.ts';
import { RedisStore } from '../../services/token-broker/src/redis/redis-store.ts';
import { storeContract } from '../../services/token-broker/src/store/store.contract.ts';
import type { Store } from '../../services/token-broker/src/store/store.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { openRelay } from '../kit/relay.ts';

const commandTimeoutMs = 250;
const channel = `test:${randomUUID()}:events`;
let redis: Redis;
let connection: Connection;
let store: Store;

before(async () => {
  redis = await openRedis({ cacheDir: '.cache', logDir: 'out/store-redis' });
  connection = await connect(redis);
  store = new RedisStore(connection, channel);
});

async function connect({ host, port }: Pick<Redis, 'host' | 'port'>): Promise<Connection> {
  const logger = createLogger({ level: 'silent', service: 'test' });
  const { username, password } = redis;
  const credentials =
    password === undefined ? undefined : passwordCredentials({ username, password: async () => password, logger });
  const server = { url: `redis://${host}:${port}`, mode: 'standalone' as const };
  const connected = connectRedis({ ...server, commandTimeoutMs, credentials }, channel, logger);
  while (connected.channel.downSinceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  return connected;
}

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

  it('runs its scripts on a Redis that does not know them', async () => {
    await connection.command(undefined, ['SCRIPT', 'FLUSH']);
    assert.equal(await store.addMember(`contract:{${randomUUID()}}`, 'a', 1_000), 1);
  });

  it('puts values in place of others and members into sets though Redis takes nothing more', async () => {
    await store.set('contract:{full}', Buffer.from('a'), 60_000);
    const limit = async (bytes: string) => await connection.command(undefined, ['CONFIG', 'SET', 'maxmemory', bytes]);
    await limit('1');
    try {
      await assert.rejects(store.set('contract:{more}', Buffer.from('b'), 60_000), { code: 'unavailable' });
      await assert.rejects(store.addMember('contract:{set}', 'b', 60_000), { code: 'unavailable' });
      assert.equal(await store.replace('contract:{full}', Buffer.from('a'), Buffer.from('b'), 60_000), true);
      assert.equal(await store.replace('contract:{none}', undefined, Buffer.from('b'), 60_000), true);
      await store.forceMember('contract:{set}', 'b', 60_000);
      assert.deepEqual(await store.members('contract:{set}'), ['b']);
      assert.deepEqual(await store.get('contract:{none}'), Buffer.from('b'));
    } finally {
      await limit('0');
    }
  });

  it('takes no lateness of its own for silence of Redis', async () => {
    // It takes several turns of our own event loop until an answer has come through.
    await using relay = await openRelay(redis);
    await using relayed = await connect({ host: '127.0.0.1', port: relay.port });
    const asked = relayed.command('contract:{late}', ['GET', 'contract:{late}']);
    for (const endMs = performance.now() + 2 * commandTimeoutMs; performance.now() < endMs; );
    assert.equal(await asked, null);
  });
});
