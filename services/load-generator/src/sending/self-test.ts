import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { decode } from '../results/histogram.ts';
import { runPlan } from './generators.ts';

/** What a generator that keeps its schedule must show of a server that stalls for a second. */
export const selfTestLeastMs = 800;
const stallMs = 1_000;
const ratePerSecond = 200;

/**
 * Has two generator processes measure a server that stalls for 1 s once in every 10 s, and gives the 99th percentile of
 * what they saw together, in milliseconds; 0 if that is not what they sent. A tool that waits for its answers sends nothing meanwhile and tells of some 30 ms.
 */
export async function selfTest(durationSeconds: number): Promise<number> {
  let startedMs = Number.POSITIVE_INFINITY;
  const stalledForMs = () => {
    const at = (performance.now() - startedMs) % 10_000;
    return at >= stallMs && at < 2 * stallMs ? 2 * stallMs - at : 0;
  };
  const server = createServer(async (req, res) => {
    req.resume();
    await delay(stalledForMs());
    res.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { kinds } = await runPlan(
      {
        targets: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
        schedule: { ratePerSecond, durationSeconds },
        kinds: [{ name: 'stalling', people: [{}] }],
      },
      {
        processes: 2,
        onStart(startAtMs) {
          startedMs = performance.now() + startAtMs - Date.now();
        },
      },
    );
    const all = decode(kinds[0]?.response ?? '');
    return all.totalCount === ratePerSecond * durationSeconds ? all.getValueAtPercentile(99) / 1_000 : 0;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
