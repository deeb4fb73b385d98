import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections, of which a loaded machine has thousands. */
const [lowest, highest] = [10_000, 32_000];
const tries = 100;

/** A port of the loopback address that was free a moment ago: for programs that must know each other's before start. */
export async function freePort(): Promise<number> {
  for (let left = tries; left > 0; left -= 1) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${tries} ports from ${lowest} to ${highest} was free.`);
}

/** Whether a port can be bound on the loopback address. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
