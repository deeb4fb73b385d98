import { relative } from 'node:path';
import type { EventData } from 'node:test';

/** How often each line of one source file was run, as node:test counts it. */
export type Coverage = EventData.TestCoverage['summary']['files'][number];
type Lines = { path: string; lines: Map<number, number> };

/** Adds up what several test files ran: a line is covered if one of them ran it. */
export function mergeCoverage(parts: Pick<Coverage, 'path' | 'lines'>[]): Lines[] {
  const files = new Map<string, Map<number, number>>();
  for (const { path, lines } of parts) {
    const sums = files.get(path) ?? new Map<number, number>();
    for (const { line, count } of lines) sums.set(line, (sums.get(line) ?? 0) + count);
    files.set(path, sums);
  }
  return [...files].map(([path, lines]) => ({ path, lines }));
}

/** One row for each file, the least covered first: its share of lines that ran, and the lines that did not. */
export function coverageTable(files: Lines[]): string {
  const rows = files.map(({ path, lines }) => {
    const missed = [...lines].filter(([, count]) => count === 0).map(([line]) => line);
    return { path: relative('.', path), missed, share: 1 - missed.length / Math.max(lines.size, 1) };
  });
  const text = rows
    .sort((a, b) => a.share - b.share)
    .map(({ path, missed, share }) =>
      `${(share * 100).toFixed(1).padStart(7)} %  ${path}  ${ranges(missed)}`.trimEnd(),
    );
  return ['lines run, file, lines not run', ...text].join('\n');
}

/** `[1, 2, 3, 7]` as `1-3 7`. */
function ranges(lines: number[]): string {
  const found: [from: number, to: number][] = [];
  for (const line of lines.toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last?.[1] === line - 1) last[1] = line;
    else found.push([line, line]);
  }
  return found.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(' ');
}
