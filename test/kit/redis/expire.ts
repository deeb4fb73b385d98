import type { System } from '../system/system.ts';
import { withRedis } from './client.ts';

/**
 * Ends the time of every session in a system's Redis, as idleness does: the brokers, who remember the end of each, are
 * told to look again.
 */
export function expireSessions(system: System): Promise<void> {
  return withRedis(system.redis, async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${system.redisPrefix}session:*` })) {
      for (const key of keys) {
        await client.pExpire(key, 1);
        await client.publish(`${system.redisPrefix}events`, `i:${key}`);
      }
    }
  });
}
