import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { junit } from 'node:test/reporters';
import { z } from 'zod';
import type { TestEvent } from './reporter.ts';

/** What runs leave behind; a run of a whole suite replaces that suite's file. */
export const resultsDir = 'out/results';

/** The tests of one suite that passed, by the file that was run, with how many seconds each file took. */
const resultSchema = z.strictObject({
  suite: z.string(),
  passes: z.array(z.strictObject({ file: z.string(), title: z.string() })),
  times: z.array(z.strictObject({ file: z.string(), seconds: z.number() })),
});
export type Result = z.output<typeof resultSchema>;

export function writeResult(result: Result): void {
  mkdirSync(resultsDir, { recursive: true });
  writeFileSync(fileOf(result.suite), `${JSON.stringify(result, null, 1)}\n`);
}

/** Before a suite is run: what it left before says nothing of this run. */
export function forgetResult(suite: string): void {
  rmSync(fileOf(suite), { force: true });
}

/** Of every suite that was run whole. @throws Error where a file is none of ours. */
export function readResults(): Result[] {
  return globSync(join(resultsDir, '*.json')).map((file) => resultSchema.parse(JSON.parse(readFileSync(file, 'utf8'))));
}

const fileOf = (suite: string) => join(resultsDir, `${suite}.json`);

/** Writes what a suite ran as JUnit XML; a part of a suite goes into a folder of its own, beside what the whole left. */
export async function writeJUnit(suite: string, whole: boolean, events: TestEvent[]): Promise<void> {
  const folder = whole ? resultsDir : join(resultsDir, 'part');
  mkdirSync(folder, { recursive: true });
  const source = Readable.from(events)[Symbol.asyncIterator]() as Parameters<typeof junit>[0];
  writeFileSync(join(folder, `${suite}.xml`), await text(junit(source)));
}
