import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rings } from '../rings.ts';

/** Tests of the ring of journeys that are as quick as a unit's, and the only ones to show what Redis itself does. */
const besideUnits = ['test/store-redis.test.ts'];

const testFiles = [...(rings.find(({ name }) => name === 'unit')?.files ?? []), ...besideUnits];

export type Reach = {
  /** The test files that load a room, those with the fewest imports between first. */
  testsOf: (room: string) => string[];
  /** Changes with the test file and with whatever it loads. */
  stampOf: (test: string) => string;
  textOf: (file: string) => string;
};

/** Who imports whom, as the sources say; types are no imports. */
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
    const named = textOf(file).matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)';|\bimport\('([^']+)'\)/gm);
    const found = [...named].flatMap(([, from, lazy]) => resolve(file, String(from ?? lazy)));
    imports.set(file, found);
    return found;
  }

  /** Every file that a test loads, by how many imports away it is. */
  function loadedBy(test: string): Map<string, number> {
    const distances = new Map([[test, 0]]);
    for (const [file, distance] of distances) {
      for (const one of importsOf(file)) if (!distances.has(one)) distances.set(one, distance + 1);
    }
    return distances;
  }
  const loaded = new Map(testFiles.map((test) => [test, loadedBy(test)]));
  /** The test beside a room is nearest, however many import it. */
  const distance = (test: string, room: string) =>
    test === room.replace(/ts$/, 'test.ts') ? 0 : (loaded.get(test)?.get(room) ?? Number.POSITIVE_INFINITY);

  return {
    textOf,
    testsOf: (room) =>
      testFiles
        .filter((test) => distance(test, room) < Number.POSITIVE_INFINITY)
        .sort((a, b) => distance(a, room) - distance(b, room)),
    stampOf: (test) => {
      const files = [...(loaded.get(test)?.keys() ?? [])].sort();
      return hash('sha1', files.map((file) => `${file}\n${textOf(file)}`).join('\n'));
    },
  };
}

function resolve(file: string, specifier: string): string[] {
  const chassis = /^@onbehalf\/chassis\/(.+)$/.exec(specifier)?.[1];
  const path = chassis ? `services/chassis/src/${chassis}.ts` : join(dirname(file), specifier);
  return (chassis || specifier.startsWith('.')) && existsSync(path) ? [path] : [];
}
