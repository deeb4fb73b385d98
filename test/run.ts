import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';
import { findChromium } from './chromium.ts';
import { openRedis } from './redis.ts';
import { type Counts, report } from './reporter.ts';

const help = `npm test                    everything this machine can run
npm test -- <pattern> …     only the files whose path holds one of the patterns
npm test -- --only <ring>   one ring: unit, journeys, charts, browser, images; it fails where its tool is missing

npm run test:charts, test:browser, test:images, test:outage are such rings. Ends with "not run: …" for each ring left out, and
"N passed, N failed, N skipped". Exit code 1 if a test failed, none was found, or CI is set and one was skipped.`;

type Ring = {
  name: string;
  files: string[];
  /** What is missing to run it here; `undefined` if nothing is. `chosen`: it was asked for by name. */
  lacks: (chosen: boolean) => string | undefined;
};

const all = globSync('{services,test}/**/*.test.ts', { exclude: (path) => path.includes('node_modules') }).sort();
const special = /\.(charts|browser|images|outage)\.test\.ts$/;
const suffixed = (kind: string) => all.filter((file) => file.endsWith(`.${kind}.test.ts`));
const plain = all.filter((file) => !special.test(file));
const none = () => undefined;

const rings: Ring[] = [
  { name: 'unit', files: plain.filter((file) => file.startsWith('services/')), lacks: none },
  { name: 'journeys', files: plain.filter((file) => file.startsWith('test/')), lacks: none },
  {
    name: 'charts',
    files: suffixed('charts'),
    lacks: () =>
      `${process.platform}-${process.arch}` === 'linux-x64' ? undefined : 'its Helm is for Linux on x86-64',
  },
  {
    name: 'browser',
    files: suffixed('browser'),
    lacks: () => (findChromium() ? undefined : "no Chromium was found: install Debian's chromium or set CHROMIUM"),
  },
  {
    name: 'images',
    files: suffixed('images'),
    // Asked for by name, its own tests say what of Docker is missing.
    lacks: (chosen) => (chosen ? undefined : 'it builds container images, which takes minutes: npm run test:images'),
  },
  {
    name: 'outage',
    files: suffixed('outage'),
    lacks: (chosen) => (chosen ? undefined : 'its outages and floods take minutes: npm run test:outage'),
  },
];

/** What one test may take: images are built, and every value of the charts is changed by itself. */
const testWithinMs = ({ name }: Ring) => (name === 'images' || name === 'charts' ? 900_000 : 120_000);
/** A ring that says nothing for so long beyond that hangs. */
const silenceMs = 60_000;

async function runRing(ring: Ring, files: string[]): Promise<Counts> {
  console.log(`\n— ${ring.name}: ${files.length} files`);
  const patience = new AbortController();
  const watchdog = setTimeout(() => patience.abort(), testWithinMs(ring) + silenceMs);
  const stream = run({
    files: files.map((file) => join(process.cwd(), file)),
    // Journeys start programs by the half-dozen and some of them time things: one file at a time.
    concurrency: ring.name === 'unit' ? 2 : 1,
    timeout: testWithinMs(ring),
    signal: patience.signal,
  });
  stream.on('data', () => watchdog.refresh());
  const counts = await report(stream, (line) => console.log(line));
  clearTimeout(watchdog);
  return counts;
}

async function main(): Promise<void> {
  const { values, positionals: patterns } = parseArgs({
    options: { only: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help) return console.log(help);
  const chosen = rings.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) throw new Error(`There is no ring ${values.only}: ${rings.map((r) => r.name).join(', ')}.`);

  await using redis = await openRedis({ cacheDir: '.cache', logDir: 'out/test' });
  console.log(`Redis: ${redis.source}`);
  const password = redis.password ? `${redis.username ?? ''}:${encodeURIComponent(redis.password)}@` : '';
  process.env.REDIS_URL = `redis://${password}${redis.host}:${redis.port}`;

  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const notRun: string[] = [];
  for (const ring of chosen) {
    const files = ring.files.filter((file) => patterns.length === 0 || patterns.some((text) => file.includes(text)));
    const lacking = ring.lacks(values.only === ring.name);
    if (files.length === 0) continue;
    if (lacking) {
      notRun.push(`not run: ${ring.name} (${files.length} files) because ${lacking}`);
      if (values.only) total.failed += 1;
      continue;
    }
    const counts = await runRing(ring, files);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
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
