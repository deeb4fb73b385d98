import { Agent, type Dispatcher } from 'undici';
import { cpuUs } from '../../services/load-generator/src/sampling/process-figures.ts';

export type Request = Dispatcher.RequestOptions & { origin: string };

/** A server under measurement: whose CPU counts, and what is asked, in turn. */
export type Subject = { name: string; pid: number; requests: Request[] };

/** One slice of one subject. */
export type Slice = { requests: number; failed: number; cpuUsPerRequest: number; p50Ms: number; p99Ms: number };

/** Asks one subject over so many connections for so long. */
export async function slice({ pid, requests }: Subject, connections: number, ms: number): Promise<Slice> {
  const agent = new Agent({ connections });
  const endMs = performance.now() + ms;
  const latencies: number[] = [];
  let failed = 0;
  let next = 0;
  const beganUs = cpuUs(pid);
  const worker = async () => {
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      const request = requests[next++ % requests.length] ?? never();
      const { statusCode, body } = await agent.request(request);
      await body.arrayBuffer();
      latencies.push(performance.now() - startedMs);
      if (statusCode !== 200) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const usedUs = cpuUs(pid) - beganUs;
  await agent.close();
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return {
    requests: latencies.length,
    failed,
    cpuUsPerRequest: usedUs / latencies.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

/** Rounds of slices, the order turning, so that a machine that drifts drifts for all. */
export async function rounds(
  subjects: Subject[],
  options: { rounds: number; connections: number; sliceMs: number; progress(round: number): void },
): Promise<Map<string, Slice[]>> {
  const results = new Map<string, Slice[]>(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    options.progress(round);
    const order = subjects.map((_, i) => subjects[(i + round) % subjects.length]).filter((one) => one !== undefined);
    if (round % 2 === 1) order.reverse();
    for (const subject of order) {
      results.get(subject.name)?.push(await slice(subject, options.connections, options.sliceMs));
    }
  }
  return results;
}

function never(): never {
  throw new Error('a subject has requests');
}
