import { cpus } from 'node:os';
import { loadOf, readOptions } from '../../services/load-generator/src/options.ts';
import { decode, percentilesOf } from '../../services/load-generator/src/results/histogram.ts';
import { median } from '../../services/load-generator/src/results/statistics.ts';
import { connectionsFor, stampede } from '../../services/load-generator/src/scenarios/stampede.ts';
import { runPlan, traceEvery } from '../../services/load-generator/src/sending/generators.ts';
import { startHello } from './hello.ts';

// node tools/bench/stampede-floor.ts: what the bursts of `stampede` take on this machine where nothing but node:http
// answers them. Processes hold the requests together, then send 2 KB to each: no token, no Redis, no Entra.
const delaysMs = [500, 3_000, 7_000];
const bursts = 6;
const { load } = loadOf(stampede, readOptions([]), cpus().length);
const schedule = { ratePerSecond: load.ratePerSecond, durationSeconds: load.durationSeconds };
const form = { subject_token: 's'.repeat(43), client_assertion: 'a'.repeat(1_000) };
const kinds = [{ name: 'held', fields: form, people: [{ fields: {} }] }];

await using stack = new AsyncDisposableStack();
for (const delayMs of delaysMs) {
  const servers = await Promise.all(
    Array.from({ length: load.brokers }, async () => stack.use(await startHello('hello-held', String(delayMs)))),
  );
  const targets = servers.map(({ origin }) => origin);
  const beyond: number[] = [];
  // The first one is for practice.
  for (let burst = 0; burst <= bursts; burst += 1) {
    const results = await runPlan({ targets, schedule, kinds, connections: connectionsFor(load), traceEvery });
    const p99Ms = results.kinds[0] && percentilesOf(decode(results.kinds[0].response)).p99Ms;
    if (burst > 0) beyond.push(Math.round((p99Ms ?? Number.NaN) - delayMs));
  }
  const told = `middle ${median(beyond).toFixed(0)} ms, ${beyond.join(', ')}`;
  process.stdout.write(`held for ${delayMs / 1_000} s: p99 beyond it: ${told}\n`);
}
