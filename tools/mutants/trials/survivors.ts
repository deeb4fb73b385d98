import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

/** The test files that a mutant has passed. A file's stamp says for which texts that holds. */
const survivorSchema = z.object({ id: z.string(), stamps: z.record(z.string(), z.string()) });

/**
 * The survivors of earlier runs here, one JSON a line; a later line replaces an earlier one.
 * @param fresh whether those count for nothing.
 */
export function openSurvivors(file: string, fresh: boolean) {
  mkdirSync(dirname(file), { recursive: true });
  const lines = existsSync(file) && !fresh ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  const known = new Map(
    lines.map((line) => survivorSchema.parse(JSON.parse(line))).map(({ id, stamps }) => [id, stamps]),
  );
  return {
    stampsOf: (id: string) => known.get(id) ?? {},
    keep(id: string, stamps: Record<string, string>): void {
      known.set(id, stamps);
      appendFileSync(file, `${JSON.stringify({ id, stamps })}\n`);
    },
  };
}

export type Survivors = ReturnType<typeof openSurvivors>;
