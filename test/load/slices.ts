import { readFileSync } from 'node:fs';
import { Agent, type Dispatcher } from 'undici';

/** A server under measurement: where it is, whose CPU counts, what is asked. */
export type Subject = { name: string; pid: number; request: Dispatcher.RequestOptions & { origin: string } };

/** One slice of one subject. */
export type Slice = { requests: number; failed: number; cpuUsPerRequest: number; p50Ms: number; p99Ms: number };

const ticksPerSecond = 100;

/** User and system time of a process so far, in microseconds; proc(5), fields 14 and 15. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
}

/** Asks one subject over so many connections for so long. */
export async function slice({ pid, request }: Subject, connections: number, ms: number): Promise<Slice> {
  const agent = new Agent({ connections });
  const endMs = performance.now() + ms;
  const latencies: number[] = [];
  let failed = 0;
  const beganUs = cpuUs(pid);
  const worker = async () => {
    while (performance.now() < endMs) {
      const startedMs = performance.now();
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

export function median(values: number[]): number {
  return quantile(values, 0.5);
}

/** The value below which that part of the values lies, between neighbours by weight. */
export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

type Spread = { value: number; low: number; high: number };

/** Median and interquartile range of the ratios of each round. */
export function ratio(above: number[], below: number[]): Spread {
  return spread(above.map((value, i) => value / (below[i] ?? Number.NaN)));
}

/** Median and interquartile range of the differences of each round. */
export function difference(above: number[], below: number[]): Spread {
  return spread(above.map((value, i) => value - (below[i] ?? Number.NaN)));
}

/** Median and interquartile range. */
export function spread(values: number[]): Spread {
  return { value: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}
