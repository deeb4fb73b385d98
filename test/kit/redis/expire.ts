import type { World } from '../world.ts';
import { withRedis } from './client.ts';

/**
 * Ends the time of every session in a world's Redis, as idleness does: the brokers, who remember the end of each, are
 * told to look again.
 */
export function expireSessions(world: World): Promise<void> {
  return withRedis(world.redis, async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${world.redisPrefix}session:*` })) {
      for (const key of keys) {
        await client.pExpire(key, 1);
        await client.publish(`${world.redisPrefix}events`, `i:${key}`);
      }
    }
  });
}
