import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Below the ports that systems give to outgoing connections, of which a loaded machine has thousands. */
const [lowest, highest] = [10_000, 32_000];
/** Ports that one process gives, the first of which it holds to its end: two processes never give the same. */
const blockSize = 50;
let next = 0;
let end = 0;
let turn: Promise<unknown> = Promise.resolve();

/** A free port of the loopback address, given once: for programs that must know each other's before they start. */
export function freePort(): Promise<number> {
  const given = turn.then(give, give);
  turn = given;
  return given;
}

async function give(): Promise<number> {
  for (;;) {
    if (next === end) {
      const first = await claimBlock();
      next = first + 1;
      end = first + blockSize;
    }
    const port = next++;
    if (await isFree(port)) return port;
  }
}

/** The first port of a block that nobody has claimed. @throws Error if all are taken. */
async function claimBlock(): Promise<number> {
  const blocks = Math.floor((highest - lowest) / blockSize);
  const start = randomInt(blocks);
  for (let step = 0; step < blocks; step += 1) {
    const first = lowest + ((start + step) % blocks) * blockSize;
    const claim = await bind(first);
    claim?.unref();
    if (claim) return first;
  }
  throw new Error(`No ports are left from ${lowest} to ${highest}.`);
}

/** Whether a port can be bound on the loopback address. */
export async function isFree(port: number): Promise<boolean> {
  const server = await bind(port);
  if (!server) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function bind(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1');
  return await once(server, 'listening').then(
    () => server,
    () => undefined,
  );
}
