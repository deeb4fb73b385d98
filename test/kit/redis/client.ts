import { createClient, type RedisClientOptions } from 'redis';
import type { Redis } from './server.ts';

export type RedisClient = ReturnType<typeof createClient>;

type At = Pick<Redis, 'host' | 'port' | 'username' | 'password'>;
type Options = Pick<RedisClientOptions, 'commandOptions'> & {
  /** Whether it tries again where the server is gone, as it does unless told. */
  reconnects?: boolean;
};

/** A connected client of its own, past the relay and the broker. Its failures reach its user through the commands. */
export async function openRedisClient(
  { host, port, username, password }: At,
  { reconnects = true, ...options }: Options = {},
): Promise<RedisClient> {
  const client = createClient({
    ...options,
    socket: { host, port, ...(!reconnects && { reconnectStrategy: false }) },
    ...(username && { username }),
    ...(password && { password }),
  });
  client.on('error', () => {});
  await client.connect();
  return client as RedisClient;
}

/** Works with such a client, and ends it. */
export async function withRedis<T>(
  redis: At,
  work: (client: RedisClient) => Promise<T>,
  options: Options = {},
): Promise<T> {
  const client = await openRedisClient(redis, options);
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}
