import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { Redis } from './server.ts';

/** A door in front of a real Redis that lets in who shows an Entra token, as Azure Managed Redis does. */
export type RedisGate = AsyncDisposable & {
  port: number;
  /** Every AUTH that was let through: who, and on which connection. */
  entries: { user: string; connection: number }[];
  /** Connections that were closed because their token had expired. */
  expired(): number;
};

const auth = /AUTH\r\n\$\d+\r\n([^\r]+)\r\n\$\d+\r\n([^\r]+)\r\n/;

/**
 * The token of an AUTH is checked (signature, audience, expiry, user = `oid`), then becomes the password of that ACL user
 * in the real Redis, which decides. A connection whose token expires without a new AUTH is closed.
 */
export async function openRedisGate(
  redis: Redis,
  setUser: (user: string, password: string) => Promise<unknown>,
  keysUrl: string,
): Promise<RedisGate> {
  const keys = createRemoteJWKSet(new URL(keysUrl));
  const entries: RedisGate['entries'] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let expired = 0;

  const server = createServer((near) => {
    const connection = ++connections;
    const far = dial(redis.port, redis.host);
    let expiry: NodeJS.Timeout | undefined;
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    far.pipe(near);
    const enter = async (chunk: Buffer) => {
      const [, user, token] = auth.exec(chunk.toString('latin1')) ?? [];
      if (user && token) {
        const { payload } = await jwtVerify(token, keys);
        if (payload.oid !== user) throw new Error('the user is not the token’s');
        await setUser(user, token);
        entries.push({ user, connection });
        clearTimeout(expiry);
        expiry = setTimeout(
          () => {
            expired += 1;
            near.destroy();
          },
          Number(payload.exp) * 1_000 - Date.now(),
        );
      }
      far.write(chunk);
    };
    let order = Promise.resolve();
    near.on('data', (chunk: Buffer) => {
      order = order.then(() => enter(chunk)).catch(() => void near.destroy());
    });
    near.on('close', () => {
      clearTimeout(expiry);
      far.destroy();
    });
    far.on('close', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    entries,
    expired: () => expired,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
