import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Base, baseOf, runs } from './base.ts';
import type { Mutant } from './mutants.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import type { Program } from './program.ts';
import type { Reach } from './reach.ts';
import { environmentOf, tryTest } from './trial.ts';

const out = 'out/mutants';
/** More than there are cores: many a test waits for a timer. */
const atOnce = 4;

/** What a mutated test may take: a test beside it may slow it down, an endless one is to cost little. */
const patienceOf = ({ ms }: Base) => 5 * ms + 5_000;

type Parts = { program: Program; reach: Reach; outcomes: Outcomes };

/**
 * How to learn what becomes of a mutant. Every answer is kept, so that a run that is stopped goes on where it was.
 * @param most test files that are asked about one, the nearest that run what it changes.
 */
export function createTrials({ program, reach, outcomes }: Parts, rooms: string[], most: number) {
  const bases = new Map<string, Promise<Base>>();
  const stampOf = ({ room }: Mutant, test: string) => hash('sha1', `${reach.textOf(room)}\n${reach.textOf(test)}`);

  function baseFor(test: string): Promise<Base> {
    const known = bases.get(test) ?? baseOf(test, rooms, reach.stampOf(test), join(out, 'base'));
    bases.set(test, known);
    return known;
  }

  /** The files of an earlier outcome for which it still holds. */
  function holding(mutant: Mutant): string[] {
    const stamps = Object.entries(outcomes.find(mutant.id)?.stamps ?? {});
    return stamps.filter(([file, stamp]) => existsSync(file) && stamp === stampOf(mutant, file)).map(([file]) => file);
  }

  /** What became of it earlier, if that still holds. A survivor may not have been shown to every test. */
  function known(mutant: Mutant): Outcome['outcome'] | undefined {
    const found = outcomes.find(mutant.id)?.outcome;
    return found !== 'survived' && holding(mutant).length > 0 ? found : undefined;
  }

  /** The test files that a mutant has to pass to survive. */
  async function testsOf({ room, start }: Mutant): Promise<string[]> {
    const found: string[] = [];
    for (const test of reach.testsOf(room)) {
      if (found.length === most) break;
      if (runs(await baseFor(test), room, start)) found.push(test);
    }
    return found;
  }

  async function attempt(mutant: Mutant): Promise<Outcome['outcome']> {
    if (!program.accepts(mutant.room, mutant.text)) return keep(mutant, 'refused', [mutant.room]);
    const tests = await testsOf(mutant);
    const passed = outcomes.find(mutant.id)?.outcome === 'survived' ? holding(mutant) : [];
    const directory = mkdtempSync(join(out, 'mutant-'));
    const file = join(directory, 'source.ts');
    writeFileSync(file, mutant.text);
    try {
      for (const test of tests.filter((one) => !passed.includes(one))) {
        const patienceMs = patienceOf(await baseFor(test));
        if (!(await tryTest(test, patienceMs, environmentOf(mutant.room, file))).passed)
          return keep(mutant, 'killed', [test]);
      }
      return keep(mutant, 'survived', tests);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  function keep(mutant: Mutant, outcome: Outcome['outcome'], files: string[]): Outcome['outcome'] {
    const stamps = Object.fromEntries(files.map((file) => [file, stampOf(mutant, file)]));
    outcomes.keep({ id: mutant.id, outcome, stamps });
    return outcome;
  }
  return { known, attempt };
}

/** Works through a list, two at once, until then. Gives what is left. */
export async function eachOf<T>(list: T[], untilMs: number, work: (one: T) => Promise<void>): Promise<T[]> {
  const left = [...list];
  const worker = async () => {
    while (Date.now() < untilMs) {
      const one = left.shift();
      if (one === undefined) return;
      await work(one);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return left;
}
