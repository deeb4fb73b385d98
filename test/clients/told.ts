import { appendFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { languageNames, openLanguage } from './languages.ts';

/** One flow of one client, as the table has it. */
export type Row = { client: string; version: string; at: string; flow: string; result: string };

const directory = 'out/clients';

/** Begins a table, and sets every language up, telling what that takes; what cannot be, the tests of it say. */
export async function openTable(): Promise<undefined> {
  rmSync(directory, { recursive: true, force: true });
  for (const name of languageNames) {
    try {
      openLanguage(name, console.log);
    } catch (error) {
      console.log(`${name}: cannot be set up: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** Adds a row; each process has a file of its own. */
export function record(row: Row): void {
  mkdirSync(directory, { recursive: true });
  appendFileSync(join(directory, `${process.pid}.jsonl`), `${JSON.stringify(row)}\n`);
}

/** What the suite has found out so far. */
export function tableOfClients(): string {
  const files = existsSync(directory) ? globSync(`${directory}/*.jsonl`) : [];
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').trim().split('\n'));
  return tableOf(lines.map((line) => JSON.parse(line) as Row));
}

/** Client, version, whom it asked, flow, result: what passed, what failed, and what did not run and why. */
export function tableOf(rows: Row[]): string {
  const inWords = rows.map(({ client, version, at, flow, result }) => [client, version, at, flow, result]);
  const cells = [['client', 'version', 'at', 'flow', 'result'], ...inWords.sort(byText)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const failed = rows.filter(({ result }) => result !== 'passed').length;
  const table = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return [
    ...table,
    `${rows.length} flows of ${new Set(rows.map((row) => row.client)).size} clients, ${failed} failed or not run`,
  ].join('\n');
}

function byText(a: string[], b: string[]): number {
  return a.join(' ').localeCompare(b.join(' '));
}
