import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { renderReport } from '../../services/load-generator/src/report/report.ts';
import { type Result, resultSchema } from '../../services/load-generator/src/results/result.ts';
import { tellFigures } from './figures.ts';
import { gather } from './gather.ts';
import { setBetween } from './markdown.ts';
import { tellSizing } from './sizing.ts';

const help = `node tools/load/publish.ts [RESULT …] [--bench FILE]

Publishes results of npm run load, and with --bench those of npm run bench -- --json: keeps what the documentation needs
of them in docs/load/result.json and their page in docs/load/report.html. Of a scenario that several results hold the
last one's runs stand. Then, and without RESULT only that, makes the figures in docs/load-testing.md and all of
docs/sizing.md anew from what is kept.
`;

const root = join(import.meta.dirname, '../..');
const kept = 'docs/load/result.json';
const none = `No figures are published yet. \`npm run load -- --repeat 3\` measures them, and
\`node tools/load/publish.ts out/load/…/result.json\` puts them here.`;

/** The documentation that is made of the kept result, by path. */
export async function published(): Promise<Record<string, string>> {
  const result = await readKept();
  const guide = await readFile(join(root, 'docs/load-testing.md'), 'utf8');
  return {
    'docs/load-testing.md': setBetween(guide, 'figures', result ? tellFigures(result) : none),
    'docs/sizing.md': tellSizing(result),
  };
}

async function readKept(): Promise<Result | undefined> {
  const text = await readFile(join(root, kept), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : resultSchema.parse(JSON.parse(text));
}

/** Without what only the page draws: series and traces are most of a result. */
export function slim(result: Result): Result {
  return { ...result, runs: result.runs.map((run) => ({ ...run, seconds: [], events: [], brokers: [], slowest: [] })) };
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  process.stdout.write(`wrote ${path}\n`);
}

async function publish(files: readonly string[], bench: string | undefined): Promise<void> {
  const read = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));
  const result = gather(z.array(resultSchema).parse(await Promise.all(files.map(read))));
  const whole = bench === undefined ? result : resultSchema.parse({ ...result, bench: await read(bench) });
  await write(kept, `${JSON.stringify(slim(whole))}\n`);
  await write('docs/load/report.html', renderReport(whole));
}

if (import.meta.main) {
  const options = { bench: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  if (values.help) {
    process.stdout.write(help);
  } else {
    if (positionals.length > 0) await publish(positionals, values.bench);
    for (const [path, content] of Object.entries(await published())) await write(path, content);
  }
}
