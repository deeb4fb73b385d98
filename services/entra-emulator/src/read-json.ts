import { readFileSync } from 'node:fs';

/** The content of a JSON file beside a module, `import.meta.url`. Older Nodes warn where JSON is imported. */
export function readJson(name: string, from: string): unknown {
  return JSON.parse(readFileSync(new URL(name, from), 'utf8'));
}
