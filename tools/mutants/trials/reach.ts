import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import node from '../../../packages/node/package.json' with { type: 'json' };
import { suites } from '../../run/suites.ts';

/** Tests of the suite of journeys that cost no more than a unit's, and the only ones to show what Redis itself does. */
const besideUnits = ['store-redis', 'redis-rights', 'redis-rotation', 'redis-sentinel', 'redis-cluster-tls'].map(
  (name) => `test/broker/${name}.test.ts`,
);

const testFiles = [...(suites.find(({ name }) => name === 'unit')?.files ?? []), ...besideUnits];

/** What packages/node offers under a name of its own. */
const entries: Record<string, string> = node.exports;

/** What a source loads: a module, a module at need, a script in Lua. */
const named = /^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)';|\bimport\('([^']+)'\)|'(\.[^']+\.lua)'/gm;

export type Reach = {
  /** The test files that load a room. */
  testsOf: (room: string) => string[];
  /** Changes with the test file and with whatever it loads. */
  stampOf: (test: string) => string;
  textOf: (file: string) => string;
};

/** Who imports whom, as the sources say; types are no imports, a script that is named by its path is one. */
export function createReach(): Reach {
  const texts = new Map<string, string>();
  const imports = new Map<string, string[]>();

  function textOf(file: string): string {
    const text = texts.get(file) ?? readFileSync(file, 'utf8');
    texts.set(file, text);
    return text;
  }

  function importsOf(file: string): string[] {
    const known = imports.get(file);
    if (known) return known;
    const found = [...textOf(file).matchAll(named)].flatMap(([, ...one]) => resolve(file, one.find(Boolean) ?? ''));
    imports.set(file, found);
    return found;
  }

  /** Every file that a test loads, itself too. */
  function loadedBy(test: string): Set<string> {
    const files = new Set([test]);
    for (const file of files) for (const one of importsOf(file)) files.add(one);
    return files;
  }
  const loaded = new Map(testFiles.map((test) => [test, loadedBy(test)]));

  return {
    textOf,
    testsOf: (room) => testFiles.filter((test) => loaded.get(test)?.has(room)),
    stampOf: (test) => {
      const files = [...(loaded.get(test) ?? [])].sort();
      return hash('sha1', files.map((file) => `${file}\n${textOf(file)}`).join('\n'));
    },
  };
}

function resolve(file: string, specifier: string): string[] {
  const [, room = '', name = ''] = /^@onbehalf\/(chassis|node)\/(.+)$/.exec(specifier) ?? [];
  const root = room === 'node' ? 'packages/node' : 'services/chassis';
  const exported = room === 'node' ? entries[`./${name}`] : undefined;
  const path = room ? join(root, exported ?? `src/${name}.ts`) : join(dirname(file), specifier);
  return (room || specifier.startsWith('.')) && existsSync(path) ? [path] : [];
}
