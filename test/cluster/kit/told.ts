import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the suite's one file found out, for the end of the run: what a file says itself is shown only where it fails. */
const file = 'out/results/cluster.md';

export async function forgetTable(): Promise<undefined> {
  rmSync(file, { force: true });
}

export function writeTable(table: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${table}\n`);
}

export function readTable(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return 'no release was disturbed';
  }
}
