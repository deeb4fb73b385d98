import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { isLua } from '../mutations/lua.ts';
import { tryTest } from './trial.ts';

const coverageSchema = z.object({
  result: z.array(
    z.object({
      url: z.string(),
      functions: z.array(
        z.object({
          ranges: z.array(z.object({ startOffset: z.number(), endOffset: z.number(), count: z.number() })),
        }),
      ),
    }),
  ),
});

/** Ranges of a source, each process' by itself: where they begin and end, and how often V8 ran them. */
const rangesSchema = z.array(z.array(z.tuple([z.number(), z.number(), z.number()])));
const baseSchema = z.object({ ms: z.number(), ran: z.record(z.string(), rangesSchema) });
type Ranges = z.output<typeof rangesSchema>;

/** How a test file does without any mutation: how long it takes, and what it runs of each room. */
export type Base = z.output<typeof baseSchema>;

const patienceMs = 120_000;

/**
 * Runs a test file as it is, or reads what it came to when it and all it loads was the same.
 * @throws Error if it fails.
 */
export async function baseOf(test: string, rooms: string[], stamp: string, directory: string): Promise<Base> {
  const kept = join(directory, `${stamp}.json`);
  if (existsSync(kept)) return baseSchema.parse(JSON.parse(readFileSync(kept, 'utf8')));
  mkdirSync(directory, { recursive: true });
  const coverage = mkdtempSync(join(directory, 'coverage-'));
  const { passed, ms, waitedMs, failure } = await tryTest(test, patienceMs, { NODE_V8_COVERAGE: resolve(coverage) });
  if (!passed) throw new Error(`${test} fails without any mutation: ${failure}`);
  const base = { ms: ms - waitedMs, ran: readCoverage(coverage, rooms) };
  rmSync(coverage, { recursive: true });
  writeFileSync(kept, JSON.stringify(base));
  return base;
}

function readCoverage(directory: string, rooms: string[]): Base['ran'] {
  const urls = new Map(rooms.map((room) => [pathToFileURL(resolve(room)).href, room]));
  const ran: Record<string, Ranges> = {};
  for (const file of globSync(join(directory, '*.json'))) {
    for (const { url, functions } of coverageSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).result) {
      const room = urls.get(url);
      if (!room) continue;
      ran[room] ??= [];
      ran[room].push(
        functions.flatMap(({ ranges }) => ranges.map((one) => [one.startOffset, one.endOffset, one.count] as const)),
      );
    }
  }
  return ran;
}

/** Whether the test ran what stands there: the narrowest range around it says so. V8 does not see what Redis runs. */
export function runs({ ran }: Base, room: string, offset: number): boolean {
  return isLua(room) || (ran[room] ?? []).some((ranges) => countAt(ranges, offset) > 0);
}

function countAt(ranges: Ranges[number], offset: number): number {
  const around = ranges.filter(([start, end]) => start <= offset && offset < end);
  return around.sort(([a, b], [c, d]) => b - a - (d - c))[0]?.[2] ?? 0;
}
