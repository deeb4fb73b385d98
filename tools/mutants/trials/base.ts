import { hash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { isLua } from '../mutations/lua.ts';
import { argumentsOf, type Part } from './part.ts';
import { tryTests } from './trial.ts';

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
const baseSchema = z.object({
  ms: z.number(),
  slow: z.array(z.string()),
  ran: z.record(z.string(), rangesSchema),
});
type Ranges = z.output<typeof rangesSchema>;

/** How tests do without any mutation: how long they take, which of them are slow, and what they run of each room. */
export type Base = z.output<typeof baseSchema>;

const patienceMs = 120_000;

/** A test that takes longer is worth a process of its own. */
const slowMs = 1_000;
const durationSchema = z.object({ title: z.string(), ms: z.number() });

/**
 * Runs tests as they are, or reads what they came to when they and all they load were the same.
 * @param stamp of the test file.
 * @throws Error if one fails.
 */
export async function baseOf(part: Part, rooms: string[], stamp: string, directory: string): Promise<Base> {
  const kept = join(directory, `${hash('sha1', [stamp, ...argumentsOf(part)].join('\n'))}.json`);
  if (existsSync(kept)) return baseSchema.parse(JSON.parse(readFileSync(kept, 'utf8')));
  mkdirSync(directory, { recursive: true });
  const coverage = mkdtempSync(join(directory, 'coverage-'));
  const durations = join(coverage, 'durations.jsonl');
  try {
    const env = { NODE_V8_COVERAGE: resolve(coverage) };
    // On busy cores a test may fail for lack of one.
    const attempt = () => tryTests(part, patienceMs, env, durations);
    let trial = await attempt();
    for (let left = 2; !trial.passed && left > 0; left -= 1) trial = await attempt();
    const { passed, ms, waitedMs, failure } = trial;
    if (!passed) throw new Error(`${part.test} fails without any mutation: ${failure}`);
    const base = { ms: ms - waitedMs, slow: readSlow(durations), ran: readCoverage(coverage, rooms) };
    writeFileSync(kept, JSON.stringify(base));
    return base;
  } finally {
    rmSync(coverage, { recursive: true });
  }
}

/** The titles of the slow tests. */
function readSlow(durations: string): string[] {
  const lines = readFileSync(durations, 'utf8').split('\n').filter(Boolean);
  const slow = lines.map((line) => durationSchema.parse(JSON.parse(line))).filter(({ ms }) => ms > slowMs);
  return [...new Set(slow.map(({ title }) => title))];
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

/** Whether the tests ran what stands there: the narrowest range around it says so. V8 does not see what Redis runs. */
export function runs({ ran }: Base, room: string, offset: number): boolean {
  return isLua(room) || (ran[room] ?? []).some((ranges) => countAt(ranges, offset) > 0);
}

function countAt(ranges: Ranges[number], offset: number): number {
  const around = ranges.filter(([start, end]) => start <= offset && offset < end);
  return around.sort(([a, b], [c, d]) => b - a - (d - c))[0]?.[2] ?? 0;
}
