import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isScalar, type Node, type Pair, parse, parseDocument, type Scalar } from 'yaml';

/** A chart's README: what it is, and a table of its values out of the `# --` comments of values.yaml. */
export async function renderReadme(chart: string): Promise<string> {
  const { name, description } = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8'));
  const document = parseDocument(await readFile(join(chart, 'values.yaml'), 'utf8'));
  const rows = isMap(document.contents) ? document.contents.items.flatMap((item) => describe(item as Item, '')) : [];
  return [
    `# ${name}`,
    `${description}.`,
    '## Values',
    'Made of the comments in `values.yaml` by `node test/charts/generate.ts`.',
    ['| Key | Default | Meaning |', '|---|---|---|', ...rows].join('\n'),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

type Item = Pair<Scalar<string>, Node | null>;

/** A row per key that is explained or ends the path; sections are walked into. */
function describe(item: Item, prefix: string, inherited?: string | null): string[] {
  const path = `${prefix}${item.key.value}`;
  const meaning = explanation(item.key.commentBefore ?? inherited);
  const { value } = item;
  const isSection = isMap(value) && value.items.length > 0 && !value.flow;
  const row = `| \`${path}\` | \`${cell(value)}\` | ${meaning} |`;
  if (!isSection) return [row];
  // A comment before a section's first key belongs to that key; yaml attaches it to the section.
  const children = value.items.flatMap((child, index) =>
    describe(child as Item, `${path}.`, index === 0 ? value.commentBefore : undefined),
  );
  return meaning ? [`| \`${path}\` | | ${meaning} |`, ...children] : children;
}

function explanation(comment: string | null | undefined): string {
  const at = comment?.indexOf(' -- ') ?? -1;
  if (!comment || at < 0) return '';
  const text = comment.slice(at + 4).replace(/\n /g, ' ');
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '\\<').trim();
}

function cell(value: Node | null): string {
  const text = isScalar(value) ? JSON.stringify(value.value) : JSON.stringify(value?.toJSON());
  return text.replaceAll('|', '\\|');
}
