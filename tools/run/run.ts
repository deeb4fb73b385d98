import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';
import { openRedis } from '../../test/kit/redis/server.ts';
import { type Coverage, coverageTable, mergeCoverage } from './coverage.ts';
import { targets } from './figure-targets.ts';
import { forgetFigures, readFigures, tableOf, targetsOf } from './figures.ts';
import { type Report, report } from './reporter.ts';
import { forgetResult, type Result, resultsDir, writeJUnit, writeResult } from './results.ts';
import { type Suite, suites } from './suites.ts';
import { openWatch } from './watch.ts';

const help = `npm test                     everything this machine can run in a few minutes
npm test -- <words> …        only the files whose path holds one of the words
npm test -- <words> -t <x>   only the tests whose name holds x, or matches it where it is a /regular expression/
npm test -- <words> --watch  runs them again whenever a file of services, test or tools is saved
npm test -- … --coverage     also the lines of the services that the tests ran in their own processes
npm test -- --only <suite>   one suite: ${suites.map(({ name }) => name).join(', ')}
npm test -- … --update       keeps what the pages look like now in test/pictures, in place of comparing them
npm test -- --times          also how long each file took, the slowest first

npm run figures, test:charts, test:browser, test:modes, test:images, test:outage, test:clients, test:packages are such suites; one fails
where its tool is missing. A whole suite leaves JUnit XML and what passed in ${resultsDir}/, a part its XML in
${resultsDir}/part/. Ends with "not run: …" for each suite left out, and "N passed, N failed, N skipped". Exit code 1 if a
test failed, none was found, or CI is set and one was skipped.`;

const { values: asked, positionals: words } = parseArgs({
  options: {
    only: { type: 'string' },
    times: { type: 'boolean' },
    'test-name-pattern': { type: 'string', short: 't', multiple: true, default: [] },
    watch: { type: 'boolean' },
    update: { type: 'boolean' },
    coverage: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});
const names = asked['test-name-pattern'];

/** A file that prints nothing for so long beyond what one test may take hangs. */
const silenceMs = 60_000;

async function runFile(file: string, { testWithinMs, env }: Suite): Promise<Report> {
  const patience = new AbortController();
  const watchdog = setTimeout(() => patience.abort(), testWithinMs + silenceMs);
  const path = join(process.cwd(), file);
  const stream = run({
    files: [path],
    timeout: testWithinMs,
    signal: patience.signal,
    env: { ...process.env, ...env },
    coverage: asked.coverage,
    coverageIncludeGlobs: ['{services,packages}/*/src/**'],
    coverageExcludeGlobs: ['**/*.{test,fake,contract}.ts'],
    ...(names.length > 0 && { testNamePatterns: names }),
  });
  stream.on('data', () => watchdog.refresh());
  const outcome = await report(path, stream, { mayBeEmpty: names.length > 0 });
  clearTimeout(watchdog);
  return outcome;
}

/** Runs these files of a suite, prints each when it has ended, and adds them up. */
async function runSuite(suite: Suite, files: string[]) {
  console.log(`\n— ${suite.name}: ${files.length} files`);
  if (suite.name === 'figures') forgetFigures();
  await using _shared = await suite.open?.();
  const result: Result = { suite: suite.name, passes: [], times: [] };
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const reports: Report[] = [];
  const left = [...files];
  const work = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const startedAtMs = performance.now();
      const its = await runFile(file, suite);
      if (its.text) console.log(`\n${file}\n${its.text}`);
      reports.push(its);
      result.times.push({ file, seconds: (performance.now() - startedAtMs) / 1_000 });
      for (const title of its.titles) result.passes.push({ file, title });
      for (const count of ['passed', 'failed', 'skipped'] as const) counts[count] += its[count];
    }
  };
  await Promise.all(Array.from({ length: suite.atOnce ?? 1 }, work));
  return { ...counts, result, reports };
}

/** Prints what was measured; how many figures do not hold. Of a part of the suite not all can be expected. */
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

/** Runs the files that were asked for, suite by suite. Gives whether that proved what it should. */
async function runSuites(chosen: Suite[]): Promise<boolean> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const notRun: string[] = [];
  const coverage: Coverage[] = [];
  for (const suite of chosen) {
    const files = suite.files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
    const lacking = suite.lacks() ?? (asked.only ? undefined : suite.apart);
    if (files.length === 0) continue;
    if (lacking) {
      notRun.push(`not run: ${suite.name} (${files.length} files) because ${lacking}: npm run ${suite.script}`);
      if (asked.only) total.failed += 1;
      continue;
    }
    const whole = files.length === suite.files.length && names.length === 0;
    if (whole) forgetResult(suite.name);
    const { result, reports, ...its } = await runSuite(suite, files);
    total.passed += its.passed;
    total.failed += its.failed + (suite.name === 'figures' ? printFigures(whole) : 0);
    total.skipped += its.skipped;
    coverage.push(...reports.flatMap((file) => file.coverage));
    await writeJUnit(
      suite.name,
      whole,
      reports.flatMap((file) => file.events),
    );
    if (suite.tells) console.log(`\n${suite.tells()}`);
    if (whole) writeResult(result);
    if (asked.times) printTimes(result);
  }

  if (asked.coverage) console.log(`\n${coverageTable(mergeCoverage(coverage))}`);
  console.log(
    `\n${[...notRun, `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`].join('\n')}`,
  );
  const nothing = total.passed + total.failed === 0;
  if (nothing) console.log('No test was found, which proves nothing.');
  return total.failed === 0 && !nothing && !(process.env.CI && total.skipped > 0);
}

async function main(): Promise<void> {
  if (asked.help) return console.log(help);
  if (asked.update) process.env.UPDATE_PICTURES = '1';
  const chosen = suites.filter(({ name }) => asked.only === undefined || name === asked.only);
  if (chosen.length === 0) {
    throw new Error(`There is no suite ${asked.only}: ${suites.map(({ name }) => name).join(', ')}.`);
  }
  await using folder = await mkdtempDisposable(join(tmpdir(), 'onbehalf-run-'));
  process.env.TEST_RUN_DIR = folder.path;
  await using redis = await openRedis({ cacheDir: '.cache', logDir: 'out/test' });
  console.log(`Redis: ${redis.source}`);
  const password = redis.password ? `${redis.username ?? ''}:${encodeURIComponent(redis.password)}@` : '';
  process.env.REDIS_URL = `redis://${password}${redis.host}:${redis.port}`;

  const watch = asked.watch ? openWatch(['services', 'packages', 'test', 'tools']) : undefined;
  let passed = await runSuites(chosen);
  while (watch) {
    console.log('\nwaiting for a file to be saved; Ctrl-C ends');
    console.log(`\nsaved: ${(await watch.saved()).join(', ')}`);
    passed = await runSuites(chosen);
  }
  if (!passed) process.exitCode = 1;
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
