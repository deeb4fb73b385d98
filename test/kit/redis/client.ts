import { createClient } from 'redis';
import type { Redis } from './server.ts';

type Client = ReturnType<typeof createClient>;

/** Works with a client of its own, past the relay and the broker. */
export async function withRedis<T>(redis: Redis, work: (client: Client) => Promise<T>): Promise<T> {
  const { host, port, username, password } = redis;
  const client = createClient({ socket: { host, port }, ...(username && { username }), ...(password && { password }) });
  // Its failures reach us through the commands.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client as Client);
  } finally {
    client.destroy();
  }
}
