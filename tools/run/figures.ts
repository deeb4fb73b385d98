import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Target, targets } from './figure-targets.ts';
import { resultsDir } from './results.ts';

/** Where the processes of a run write their figures, one in a line of JSON. */
const figuresFile = join(resultsDir, 'figures.jsonl');

const figure = z.strictObject({ what: z.string(), measured: z.number() });
export type Figure = z.output<typeof figure>;

const isWithin = ({ is, limit }: Target, measured: number) =>
  is === '=' ? measured === limit : is === '≤' ? measured <= limit : measured >= limit;
/** At most one decimal: `0.5 s`, `4000 calls`. */
const inWords = (value: number, unit: string) => `${Math.round(value * 10) / 10} ${unit}`;

/** Records a figure for the table at the end of `npm run figures`, and fails unless it holds. */
export function record(what: keyof typeof targets, measured: number): void {
  mkdirSync(resultsDir, { recursive: true });
  appendFileSync(figuresFile, `${JSON.stringify({ what, measured } satisfies Figure)}\n`);
  const target: Target = targets[what];
  assert.ok(
    target.aim || isWithin(target, measured),
    `${what}: ${inWords(measured, target.unit)}, not ${target.is} ${target.limit}`,
  );
}

/** Before a run: the figures of another prove nothing. */
export function forgetFigures(): void {
  rmSync(figuresFile, { force: true });
}

/** What was recorded since. @throws Error where a line is no figure. */
export function readFigures(): Figure[] {
  const text = existsSync(figuresFile) ? readFileSync(figuresFile, 'utf8') : '';
  const lines = text.split('\n').filter(Boolean);
  return lines.map((line) => figure.parse(JSON.parse(line)));
}

/** Of these figures alone. */
export function targetsOf(figures: Figure[]): Record<string, Target> {
  const measured = new Set(figures.map(({ what }) => what));
  return Object.fromEntries(Object.entries(targets).filter(([what]) => measured.has(what)));
}

/**
 * The table "what | target | measured | holds", a line for each target, and how many do not hold. What was not measured
 * does not hold; of what was measured several times each must.
 */
export function tableOf(expected: Record<string, Target>, figures: Figure[]): { text: string; missed: number } {
  const rows = Object.entries(expected).map(([what, target]) => {
    const values = figures.filter((one) => one.what === what).map(({ measured }) => measured);
    const within = values.every((value) => isWithin(target, value));
    const holds = values.length === 0 ? 'NO' : within ? 'yes' : target.aim ? 'an aim' : 'NO';
    const measured = values.map((value) => inWords(value, target.unit)).join(', ') || 'not measured';
    return [what, `${target.is} ${target.limit} ${target.unit}`, measured, holds];
  });
  const table = [['what', 'target', 'measured', 'holds'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
  const lines = table.map((cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`);
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return { text: lines.toSpliced(1, 0, rule).join('\n'), missed: rows.filter((cells) => cells[3] === 'NO').length };
}
