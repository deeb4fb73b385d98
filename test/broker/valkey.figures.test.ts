import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { type Redis as Connection, connectRedis } from '../../services/token-broker/src/redis/redis.ts';
import { RedisStore } from '../../services/token-broker/src/redis/redis-store.ts';
import { storeContract } from '../../services/token-broker/src/store/store.contract.ts';
import type { Store } from '../../services/token-broker/src/store/store.ts';
import type { Program } from '../kit/debian/packages.ts';
import { withRedis } from '../kit/redis/client.ts';
import { passwordOf } from '../kit/redis/connection.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { fetchValkey8, fetchValkey9 } from '../kit/redis/valkey.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';

const versions: [major: string, fetch: (cacheDir: string) => Promise<Program>][] = [
  ['8.1', fetchValkey8],
  ['9.1', fetchValkey9],
];

for (const [major, fetchServer] of versions) {
  describe(`Valkey ${major}`, () => {
    const channel = `test:${randomUUID()}:events`;
    let valkey: Redis;
    let connection: Connection;
    let store: Store;

    before(async () => {
      const program = await fetchServer('.cache');
      valkey = await openRedis({ cacheDir: '.cache', logDir: `out/valkey-${major}`, program });
      const logger = createLogger({ level: 'silent', service: 'test' });
      const server = { mode: 'standalone' as const, url: `redis://${valkey.host}:${valkey.port}` };
      const credentials = passwordOf(String(valkey.password))(logger);
      connection = connectRedis({ ...server, commandTimeoutMs: 1_000, credentials }, channel, logger);
      store = new RedisStore(connection, channel);
      while (connection.channel.downSinceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    });
    after(async () => {
      await connection?.[Symbol.asyncDispose]();
      await valkey?.[Symbol.asyncDispose]();
    });

    it('is what is tried', async () => {
      const info = await withRedis(valkey, async (client) => String(await client.sendCommand(['INFO', 'server'])));
      assert.match(info, new RegExp(`^valkey_version:${major}\\.`, 'm'));
    });

    storeContract(`the store on Valkey ${major}`, async () => ({
      store,
      ttlMs: async (key) => Number(await connection.command(key, ['PTTL', key])),
    }));

    it('lets an ACL user of the documented rights sign people in and out', async () => {
      const rights = ['on', '>of-the-acl-user', '~v:*', '&v:*', '+@all', '-@admin', '-@dangerous'];
      await withRedis(valkey, (client) => client.sendCommand(['ACL', 'SETUSER', 'broker', ...rights]));
      await using system = await openSystem({
        ...{ name: `valkey-fleet-${major}`, brokers: 2 },
        redisEnv: async (stateDir) => ({
          ...{ REDIS_URL: `redis://127.0.0.1:${valkey.port}`, REDIS_USERNAME: 'broker' },
          ...(await redisPassword(stateDir, 'of-the-acl-user')),
          REDIS_KEY_PREFIX: 'v:',
        }),
      });
      await system.until(async () => (await system.signIn('alice').catch(() => '')) !== '');
      const session = await system.signIn('alice');
      for (const broker of [0, 1]) assert.equal((await system.exchange(broker, session)).status, 200);
      assert.equal((await system.post(0, '/oauth2/revoke', { token: session })).status, 200);
      await system.until(async () => (await system.exchange(1, session)).body.error === 'invalid_grant');
    });
  });
}
