import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

/**
 * What became of a mutant: a test file failed, the compiler refuses it, or all these test files passed. A file's stamp
 * says for which texts that holds.
 */
const outcomeSchema = z.object({
  id: z.string(),
  outcome: z.enum(['killed', 'refused', 'survived']),
  stamps: z.record(z.string(), z.string()),
  /** The test that failed, by its title, or that the file did not end. */
  failure: z.string().optional(),
});
export type Outcome = z.output<typeof outcomeSchema>;

/** The outcomes of earlier runs, one JSON a line; a later line replaces an earlier one. */
export function openOutcomes(file: string) {
  mkdirSync(dirname(file), { recursive: true });
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  const known = new Map(lines.map((line) => outcomeSchema.parse(JSON.parse(line))).map((one) => [one.id, one]));
  return {
    find: (id: string) => known.get(id),
    keep(outcome: Outcome): void {
      known.set(outcome.id, outcome);
      appendFileSync(file, `${JSON.stringify(outcome)}\n`);
    },
  };
}

export type Outcomes = ReturnType<typeof openOutcomes>;
