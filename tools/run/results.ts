import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** What runs leave behind; a run of a whole ring replaces that ring's file. */
export const resultsDir = 'out/results';

/** The tests of one ring that passed, by the file that was run, with how many seconds each file took. */
const resultSchema = z.strictObject({
  ring: z.string(),
  passes: z.array(z.strictObject({ file: z.string(), title: z.string() })),
  times: z.array(z.strictObject({ file: z.string(), seconds: z.number() })),
});
export type Result = z.output<typeof resultSchema>;

export function writeResult(result: Result): void {
  mkdirSync(resultsDir, { recursive: true });
  writeFileSync(fileOf(result.ring), `${JSON.stringify(result, null, 1)}\n`);
}

/** Before a ring is run: what it left before says nothing of this run. */
export function forgetResult(ring: string): void {
  rmSync(fileOf(ring), { force: true });
}

/** Of every ring that was run whole. @throws Error where a file is none of ours. */
export function readResults(): Result[] {
  return globSync(join(resultsDir, '*.json')).map((file) => resultSchema.parse(JSON.parse(readFileSync(file, 'utf8'))));
}

const fileOf = (ring: string) => join(resultsDir, `${ring}.json`);
