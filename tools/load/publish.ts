import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { renderReport } from '../../services/load-generator/src/report/report.ts';
import { type Result, resultSchema } from '../../services/load-generator/src/results/result.ts';
import { tellFigures } from './figures.ts';
import { gather } from './gather.ts';
import { seal, setBetween } from './markdown.ts';
import { tellSizing } from './sizing.ts';

const help = `node tools/load/publish.ts RESULT … [--bench FILE]

Publishes results of npm run load, such as those that a release carries, and with --bench those of npm run bench --
--json: their page as docs/load/report.html, their figures in docs/load-testing.md, and docs/sizing.md. Of a scenario
that several results hold the last one's runs stand. The results themselves do not become part of the repository.
`;

const root = join(import.meta.dirname, '../..');

/** The documentation of a result, by path. `guide`: docs/load-testing.md as it is. */
export function published(result: Result, guide: string): Record<string, string> {
  return {
    'docs/load-testing.md': setBetween(guide, 'figures', seal(tellFigures(result))),
    'docs/sizing.md': seal(tellSizing(result)),
  };
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
  const guide = await readFile(join(root, 'docs/load-testing.md'), 'utf8');
  await write('docs/load/report.html', renderReport(whole));
  for (const [path, content] of Object.entries(published(whole, guide))) await write(path, content);
}

if (import.meta.main) {
  const options = { bench: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  if (values.help || positionals.length === 0) process.stdout.write(help);
  else await publish(positionals, values.bench);
}
