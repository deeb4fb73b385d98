import type { System } from '../test/kit/system/system.ts';

type Restarted = Pick<System, 'restart'> & {
  programs: Pick<System['programs'][number], 'name' | typeof Symbol.asyncDispose>[];
};

/** The programs that run these files: every one for a file of chassis or of a package, none for a test. */
export function programsOf(paths: string[], names: string[]): string[] {
  const rooms = paths
    .filter((path) => !/\.(test|fake|contract|bench)\.ts$/.test(path))
    .map((path) => (path.startsWith('packages/') ? 'chassis' : path.split('/')[1]));
  // One of several brokers is called token-broker-2.
  return names.filter((name) => rooms.includes('chassis') || rooms.includes(name.replace(/-\d+$/, '')));
}

/** Ends the programs that run these files, and starts them anew. One that does not come up waits for the next save. */
export async function restartPrograms(
  system: Restarted,
  paths: string[],
  print: (line: string) => void,
): Promise<void> {
  const names = programsOf(
    paths,
    system.programs.map(({ name }) => name),
  );
  await Promise.all(
    names.map(async (name) => {
      const startedAtMs = performance.now();
      try {
        await system.programs.find((program) => program.name === name)?.[Symbol.asyncDispose]();
        await system.restart(name);
        print(`✔ ${name} restarted in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
      } catch (error) {
        print(`✖ ${error instanceof Error ? error.message : error}`);
      }
    }),
  );
}
