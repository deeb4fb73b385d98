import { signalsByRoom } from './signals.ts';

export const tableFile = 'docs/telemetry.md';
const begin = '<!-- signals: written by tools/signals/write.ts -->';
const end = '<!-- /signals -->';

/** The page with its tables as the registries have them. @throws Error if the page has no place for them. */
export function withTables(page: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${tableFile} has no ${begin} … ${end}`);
  return `${before}${begin}\n\n${tables()}\n${end}${after}`;
}

function tables(): string {
  const spans: string[][] = [];
  const metrics: string[][] = [];
  const attributes: string[][] = [];
  for (const [room, registry] of signalsByRoom()) {
    for (const [name, { brief }] of Object.entries(registry.spans)) spans.push([code(name), room, brief]);
    for (const [name, { kind, unit, brief, attributes: by }] of Object.entries(registry.metrics)) {
      metrics.push([code(name), kind, unit, room, brief, by.map(code).join(' ')]);
    }
    for (const [name, { on, brief, values = [] }] of Object.entries(registry.attributes)) {
      attributes.push([code(name), on, brief, values.join(' ')]);
    }
  }
  return [
    table('Spans', ['Span', 'Room', 'Covers'], spans),
    table('Metrics', ['Metric', 'Kind', 'Unit', 'Room', 'Measures', 'By'], metrics),
    table('Attributes', ['Attribute', 'On', 'Says', 'Values'], attributes),
  ].join('\n');
}

function table(title: string, head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  const sorted = rows.toSorted(([a = ''], [b = '']) => a.localeCompare(b));
  return `### ${title}\n\n${[line(head), line(head.map(() => '---')), ...sorted.map(line)].join('\n')}\n`;
}

function code(name: string): string {
  return `\`${name}\``;
}
