import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const exclude = (path: string) => basename(path) === 'node_modules';
const isOfTests = (path: string) => /\.(test|fake|contract|bench)\.ts$/.test(path);

/** Every source file of the services and packages that is no test and no part of one. */
export function serviceFiles(): string[] {
  return globSync('{services,packages}/*/src/**/*.{ts,js,css,html,lua}').filter((path) => !isOfTests(path));
}

/** The same with the tools, and with what tests stand on. */
export function programFiles(): string[] {
  return [
    ...serviceFiles(),
    ...globSync('{tools,test,docker}/**/*.ts', { exclude }).filter((path) => !isOfTests(path)),
  ];
}

/** Every test, what tests stand on, and the tools. */
export function testFiles(): string[] {
  return globSync('{services,packages,test,tools,docker}/**/*.ts', { exclude }).filter(
    (path) => /^(test|tools)\//.test(path) || isOfTests(path),
  );
}

/** The imports between the folders of one service or package: `sessions -> store`, each with one file that has it. */
export function folderImports(room: string): Map<string, string> {
  const root = `${room}/src`;
  const found = new Map<string, string>();
  for (const path of serviceFiles().filter((path) => path.startsWith(`${root}/`))) {
    const from = dirname(path).slice(root.length + 1);
    for (const [, specifier = ''] of readFileSync(path, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
      const to = dirname(join(dirname(path), specifier)).slice(root.length + 1);
      // The files beside main.ts are the frame of the service: configuration, lifetimes, signals.
      if (from && to && from !== to) found.set(`${from} -> ${to}`, path);
    }
  }
  return found;
}

/** The folders that lead back to themselves, by imports such as `folderImports` gives. */
export function foldersInCycles(imports: Iterable<string>): string[] {
  const next = Map.groupBy(
    [...imports].map((each) => each.split(' -> ')),
    ([from]) => from,
  );
  const reachable = (start: string): Set<string> => {
    const seen = new Set<string>();
    const left = [start];
    for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
      for (const [, to = ''] of next.get(folder) ?? []) {
        if (seen.has(to)) continue;
        seen.add(to);
        left.push(to);
      }
    }
    return seen;
  };
  return [...next.keys()].filter((folder): folder is string => folder !== undefined && reachable(folder).has(folder));
}
