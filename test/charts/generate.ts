import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { renderReadme } from './readme.ts';
import { type ChartName, charts } from './values/charts.ts';

const directory = join(import.meta.dirname, '../../charts');

/** What is made of the values: `values.schema.json` by zod, README.md by the comments of values.yaml. */
export async function generate(chart: ChartName): Promise<Record<string, string>> {
  const schema = z.toJSONSchema(charts[chart], { target: 'draft-7', io: 'input', reused: 'inline' });
  const readme = await renderReadme(join(directory, chart));
  const files = { 'values.schema.json': `${JSON.stringify(schema, null, 2)}\n`, 'README.md': readme };
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [join(directory, chart, name), content]));
}

if (import.meta.main) {
  for (const chart of Object.keys(charts) as ChartName[]) {
    for (const [path, content] of Object.entries(await generate(chart))) {
      const before = await readFile(path, 'utf8').catch(() => '');
      if (before === content) continue;
      await writeFile(path, content);
      console.log(`wrote ${path}`);
    }
  }
}
