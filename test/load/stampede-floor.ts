import { answers, startChild } from '../child.ts';
import { freePort } from '../ports.ts';
import { runPlan } from './generators.ts';
import { decode, percentilesOf } from './histogram.ts';
import { median } from './slices.ts';

// node test/load/stampede-floor.ts: what the bursts of `stampede` take on this machine where nothing but node:http
// answers them. Three processes hold 1,000 requests together, then send 2 KB to each: no token, no Redis, no Entra.
const delaysMs = [500, 3_000, 7_000];
const bursts = 6;

await using stack = new AsyncDisposableStack();
for (const delayMs of delaysMs) {
  const targets = await Promise.all([0, 1, 2].map(() => startHeld(delayMs)));
  const form = { subject_token: 's'.repeat(43), client_assertion: 'a'.repeat(1_000) };
  const kinds = [{ name: 'held', fields: form, people: [{ fields: {} }] }];
  const schedule = { ratePerSecond: 1_250, durationSeconds: 0.8 };
  const beyond: number[] = [];
  // The first one is for practice.
  for (let burst = 0; burst <= bursts; burst += 1) {
    const sight = await runPlan({ targets, schedule, kinds, connections: 334, traceEvery: 50 });
    const p99Ms = sight.kinds[0] && percentilesOf(decode(sight.kinds[0].response)).p99Ms;
    if (burst > 0) beyond.push(Math.round((p99Ms ?? Number.NaN) - delayMs));
  }
  const told = `middle ${median(beyond).toFixed(0)} ms, ${beyond.join(', ')}`;
  process.stdout.write(`held for ${delayMs / 1_000} s: p99 beyond it: ${told}\n`);
}

async function startHeld(delayMs: number): Promise<string> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const name = `hello-held-${port}`;
  const args = ['test/load/hello-held.ts', String(port), String(delayMs)];
  const logFile = `out/bench/${name}.log`;
  stack.use(await startChild({ name, command: process.execPath, args, logFile, ready: () => answers(origin) }));
  return origin;
}
