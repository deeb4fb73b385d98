import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the suite measured, for the end of the run: what a file says itself is shown only where it fails. */
const file = 'out/results/images.txt';

export function forgetFigures(): void {
  rmSync(file, { force: true });
}

/** Tells a figure, one line. */
export function tellFigure(line: string): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${line}\n`);
}

export function readFigures(): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : 'nothing was measured';
}
