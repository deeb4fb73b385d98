import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Load } from '../judging/scenario.ts';
import { decode, percentilesOf } from '../results/histogram.ts';
import { median } from '../results/statistics.ts';
import { runPlan, traceEvery } from '../sending/generators.ts';
import type { KindInput } from '../sending/plan.ts';

/** As long as what a caller of a broker sends. */
const kind: KindInput = {
  ...{ name: 'held', people: [{}] },
  fields: { subject_token: 's'.repeat(43), client_assertion: 'a'.repeat(1_000) },
};
/** The first one is practice. */
const bursts = 4;

/**
 * What a burst takes on this machine where nothing but node:http responds: as many processes as there are brokers hold
 * the requests together for `delayMs`, then send 2 KB to each. No token, no Redis, no Entra. Gives the 99th percentile
 * beyond `delayMs`, in milliseconds: the median of three bursts.
 */
export async function measureFloor(load: Load, delayMs: number, connections: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const servers = await Promise.all(Array.from({ length: load.brokers }, () => startHeld(delayMs)));
  for (const server of servers) stack.use(server);
  const { ratePerSecond, durationSeconds } = load;
  const beyond: number[] = [];
  for (let burst = 0; burst < bursts; burst += 1) {
    const { kinds } = await runPlan({
      ...{ targets: servers.map(({ origin }) => origin), schedule: { ratePerSecond, durationSeconds } },
      ...{ kinds: [kind], connections, traceEvery },
    });
    const p99Ms = kinds[0] && percentilesOf(decode(kinds[0].response)).p99Ms;
    if (typeof p99Ms !== 'number') throw new Error('A burst of fewer than 1,000 requests has no 99th percentile.');
    if (burst > 0) beyond.push(Math.max(0, p99Ms - delayMs));
  }
  return median(beyond);
}

async function startHeld(delayMs: number): Promise<AsyncDisposable & { origin: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'held.ts'), String(delayMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const { value: port } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  if (port === undefined) throw new Error('A server of the floor did not start.');
  return {
    origin: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}
