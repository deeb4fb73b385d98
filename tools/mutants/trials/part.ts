/** A test file, or some of its tests: only those of a title, or all but those of some titles. */
export type Part = { test: string; only?: string; without?: string[] };

export const isSame = (one: Part, other: Part) => argumentsOf(one).join('\n') === argumentsOf(other).join('\n');

/** A file with slow tests in parts, each of which may be spared: the quick tests together, each slow one by itself. */
export function partsOf(test: string, slow: string[]): Part[] {
  return slow.length === 0 ? [{ test }] : [{ test, without: slow }, ...slow.map((only) => ({ test, only }))];
}

/** What Node is told to run. */
export function argumentsOf({ test, only, without = [] }: Part): string[] {
  const names = only === undefined ? [] : ['--test-name-pattern', exactly(only)];
  return [...names, ...without.flatMap((title) => ['--test-skip-pattern', exactly(title)]), test];
}

const exactly = (title: string) => `/^${title.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$/`;
