import { readFileSync } from 'node:fs';
import { type Result, readResults } from './run/results.ts';

const help = `npm run promises   whether every test that docs/threat-model.md names has passed, each in the last run of its suite`;

export const threatModel = 'docs/threat-model.md';
type Named = { file: string; title: string };

/** Every test that a text names: \`file\` › title. */
export function namedTests(text: string): Named[] {
  const named = text.matchAll(/`([\w./-]+\.test\.ts)` › (.+?)(?=<br>| \||$)/gm);
  return [...named].map(([, file, title]) => ({ file: String(file), title: String(title).trim() }));
}

/** Those of them that did not pass in any of these runs, each once. */
export function unproved(named: Named[], results: Result[]): string[] {
  const passed = new Set(results.flatMap(({ passes }) => passes.map(inWords)));
  return [...new Set(named.map(inWords))].filter((one) => !passed.has(one));
}

const inWords = ({ file, title }: Named) => `${file} › ${title}`;

function main(): void {
  if (process.argv.includes('--help')) {
    console.log(help);
    return;
  }
  const named = namedTests(readFileSync(threatModel, 'utf8'));
  const results = readResults();
  const missing = unproved(named, results);
  for (const one of missing) console.log(`✖ ${one}`);
  console.log(
    `${named.length} tests named, ${missing.length} not passed; suites run: ${results.map((one) => one.suite)}`,
  );
  if (missing.length > 0 || named.length === 0) process.exitCode = 1;
}

if (import.meta.main) main();
