import { createClient } from 'redis';
import type { Redis } from './server.ts';

export type RedisClient = ReturnType<typeof createClient>;

/** A connected client of its own, past the relay and the broker. Its failures reach its user through the commands. */
export async function openRedisClient({ host, port, username, password }: Redis): Promise<RedisClient> {
  const client = createClient({ socket: { host, port }, ...(username && { username }), ...(password && { password }) });
  client.on('error', () => {});
  await client.connect();
  return client as RedisClient;
}

/** Works with such a client, and ends it. */
export async function withRedis<T>(redis: Redis, work: (client: RedisClient) => Promise<T>): Promise<T> {
  const client = await openRedisClient(redis);
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}
