import { join } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';
import { openRedis } from '../../test/kit/redis/server.ts';
import { targets } from './figure-targets.ts';
import { forgetFigures, readFigures, tableOf, targetsOf } from './figures.ts';
import { type Report, report } from './reporter.ts';
import { forgetResult, type Result, resultsDir, writeResult } from './results.ts';
import { type Ring, rings } from './suites.ts';

const help = `npm test                    everything this machine can run in a few minutes
npm test -- <pattern> …     only the files whose path holds one of the patterns
npm test -- --only <ring>   one ring: ${rings.map(({ name }) => name).join(', ')}
npm test -- --times         also how long each file took, the slowest first

npm run figures, test:charts, test:browser, test:modes, test:images, test:outage, test:clients are such rings; one fails
where its tool is missing. A whole ring leaves what passed in ${resultsDir}/. Ends with "not run: …" for each ring left out, and
"N passed, N failed, N skipped". Exit code 1 if a test failed, none was found, or CI is set and one was skipped.`;

/** A file that says nothing for so long beyond what one test may take hangs. */
const silenceMs = 60_000;

async function runFile(file: string, { testWithinMs, env }: Ring): Promise<Report> {
  const patience = new AbortController();
  const watchdog = setTimeout(() => patience.abort(), testWithinMs + silenceMs);
  const path = join(process.cwd(), file);
  const stream = run({
    files: [path],
    timeout: testWithinMs,
    signal: patience.signal,
    env: { ...process.env, ...env },
  });
  stream.on('data', () => watchdog.refresh());
  const outcome = await report(path, stream);
  clearTimeout(watchdog);
  return outcome;
}

/** Runs these files of a ring, each told of when it has ended, and adds them up. */
async function runRing(ring: Ring, files: string[]) {
  console.log(`\n— ${ring.name}: ${files.length} files`);
  if (ring.name === 'figures') forgetFigures();
  await using _shared = await ring.open?.();
  const result: Result = { ring: ring.name, passes: [], times: [] };
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const left = [...files];
  const work = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const startedAtMs = performance.now();
      const { text, titles, ...its } = await runFile(file, ring);
      console.log(`\n${file}\n${text}`);
      result.times.push({ file, seconds: (performance.now() - startedAtMs) / 1_000 });
      for (const title of titles) result.passes.push({ file, title });
      for (const count of ['passed', 'failed', 'skipped'] as const) counts[count] += its[count];
    }
  };
  await Promise.all(Array.from({ length: ring.atOnce ?? 1 }, work));
  return { ...counts, result };
}

/** Prints what was measured; how many figures do not hold. Of a part of the ring not all can be expected. */
function printFigures(whole: boolean): number {
  const figures = readFigures();
  const { text, missed } = tableOf(whole ? targets : targetsOf(figures), figures);
  console.log(`\n${text}`);
  return missed;
}

function printTimes({ times }: Result): void {
  const slowestFirst = times.toSorted((a, b) => b.seconds - a.seconds);
  console.log(
    `\n${slowestFirst.map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}`).join('\n')}`,
  );
}

async function main(): Promise<void> {
  const { values, positionals: patterns } = parseArgs({
    options: { only: { type: 'string' }, times: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help) return console.log(help);
  const chosen = rings.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) throw new Error(`There is no ring ${values.only}: ${rings.map((r) => r.name).join(', ')}.`);

  await using redis = await openRedis({ cacheDir: '.cache', logDir: 'out/test' });
  console.log(`Redis: ${redis.source}`);
  const password = redis.password ? `${redis.username ?? ''}:${encodeURIComponent(redis.password)}@` : '';
  process.env.REDIS_URL = `redis://${password}${redis.host}:${redis.port}`;

  const total = { passed: 0, failed: 0, skipped: 0 };
  const notRun: string[] = [];
  for (const ring of chosen) {
    const files = ring.files.filter((file) => patterns.length === 0 || patterns.some((text) => file.includes(text)));
    const lacking = ring.lacks() ?? (values.only ? undefined : ring.apart);
    if (files.length === 0) continue;
    if (lacking) {
      notRun.push(`not run: ${ring.name} (${files.length} files) because ${lacking}: npm run ${ring.script}`);
      if (values.only) total.failed += 1;
      continue;
    }
    const whole = files.length === ring.files.length;
    if (whole) forgetResult(ring.name);
    const { passed, failed, skipped, result } = await runRing(ring, files);
    total.passed += passed;
    total.failed += failed + (ring.name === 'figures' ? printFigures(whole) : 0);
    total.skipped += skipped;
    if (ring.tells) console.log(`\n${ring.tells()}`);
    if (whole) writeResult(result);
    if (values.times) printTimes(result);
  }

  console.log(
    `\n${[...notRun, `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`].join('\n')}`,
  );
  const nothing = total.passed + total.failed === 0;
  if (nothing) console.log('No test was found, which proves nothing.');
  if (total.failed > 0 || nothing || (process.env.CI && total.skipped > 0)) process.exitCode = 1;
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
