import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';
import { decode, percentilesOf } from '../../services/load-generator/src/results/histogram.ts';
import { cpuUs } from '../../services/load-generator/src/sampling/process-figures.ts';
import { runPlan } from '../../services/load-generator/src/sending/generators.ts';
import { startHello } from '../bench/hello.ts';

const [ratePerSecond, durationSeconds, connections] = [150, 12, 30];
/** A machine that is busy makes both late, and not at once: what counts is that they can agree. */
const attempts = 4;
const within = 0.1;

type Seen = { requests: number; p50: number; p99: number; cpuUs: number };

const reportSchema = z.object({
  latency: z.object({ p50: z.number(), p99: z.number() }),
  requests: z.object({ total: z.number() }),
  errors: z.literal(0),
  non2xx: z.literal(0),
});

/**
 * autocannon at a constant rate. Its latencies are whole milliseconds from the real send, as our service times are. Its
 * correction for coordinated omission takes all connections for one: for each latency it adds shorter ones, a request's
 * distance apart, so that a server of 20 to 120 ms has a median of 40. Without it the two are comparable.
 */
async function byAutocannon(url: string): Promise<Omit<Seen, 'cpuUs'>> {
  const rate = ['-R', String(ratePerSecond), '-d', String(durationSeconds), '-c', String(connections)];
  const program = [
    'node_modules/autocannon/autocannon.js',
    ...rate,
    '--ignoreCoordinatedOmission',
    '--json',
    '--no-progress',
    url,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, program, { timeout: 60_000 });
  const { latency, requests } = reportSchema.parse(JSON.parse(stdout));
  return { requests: requests.total, ...latency };
}

async function byOurs(url: string): Promise<Omit<Seen, 'cpuUs'>> {
  const { kinds } = await runPlan({
    ...{ targets: [url], schedule: { ratePerSecond, durationSeconds }, connections },
    kinds: [{ name: 'even', method: 'GET', path: '/', people: [{}] }],
  });
  const histogram = decode(kinds[0]?.service ?? assert.fail());
  const { p50Ms, p99Ms } = percentilesOf(histogram);
  assert.deepEqual(kinds[0]?.errors, {});
  return { requests: histogram.totalCount, p50: Number(p50Ms), p99: Number(p99Ms) };
}

describe('the load generator beside autocannon', () => {
  it('sees the same p50 and p99 at the same rate, and costs the server the same CPU, each within 10 %', async () => {
    await using server = await startHello('even');
    const pid = server.process.pid ?? 0;
    const served = async () => Number(await (await fetch(`${server.origin}/served`)).text());
    const measure = async (by: typeof byOurs): Promise<Seen> => {
      const [servedBefore, usBefore] = [await served(), cpuUs(pid)];
      const seen = await by(server.origin);
      return { ...seen, cpuUs: (cpuUs(pid) - usBefore) / ((await served()) - servedBefore) };
    };
    const apart = (a: number, b: number) => Math.abs(a - b) / b;
    let told = '';
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const [theirs, ours] = [await measure(byAutocannon), await measure(byOurs)];
      told = [ours, theirs].map((one) => `${JSON.stringify(one)}`).join(' beside ');
      console.log(told);
      if ((['p50', 'p99', 'cpuUs'] as const).every((name) => apart(ours[name], theirs[name]) <= within)) return;
    }
    assert.fail(`they never agreed: ${told}`);
  });
});
