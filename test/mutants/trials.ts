import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Base, baseOf, runs } from './base.ts';
import type { Mutant } from './mutants.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import type { Program } from './program.ts';
import type { Reach } from './reach.ts';
import { environmentOf, tryTest } from './trial.ts';

const out = 'out/mutants';
const atOnce = 2;

/** What a mutated test may take: a test beside it may slow it down, an endless one is to cost little. */
const patienceOf = ({ ms }: Base) => 3 * ms + 2_000;

type Parts = { program: Program; reach: Reach; outcomes: Outcomes };

/** How to learn what becomes of a mutant. Every answer is kept, so that a run that is stopped goes on where it was. */
export function createTrials({ program, reach, outcomes }: Parts, rooms: string[]) {
  const bases = new Map<string, Promise<Base>>();
  const sources = new Map(rooms.map((room) => [room, readFileSync(room, 'utf8')]));
  const stampOf = (mutant: Mutant, ...rest: string[]) =>
    hash('sha1', [sources.get(mutant.room), ...rest.map((test) => reach.stampOf(test, mutant.room))].join('\n'));

  function baseFor(test: string): Promise<Base> {
    const known = bases.get(test) ?? baseOf(test, rooms, reach.stampOf(test, ''), join(out, 'base'));
    bases.set(test, known);
    return known;
  }

  /** What became of it earlier, if nothing has changed since; the compiler is asked at once. */
  function known(mutant: Mutant): Outcome | undefined {
    const { id, room } = mutant;
    const found = outcomes.find(id);
    const rests = found?.outcome === 'survived' ? reach.testsOf(room) : found?.by ? [found.by] : [];
    if (found?.stamp === stampOf(mutant, ...rests)) return found;
    if (program.accepts(room, mutant.text)) return undefined;
    return keep({ id, outcome: 'refused', stamp: stampOf(mutant) });
  }

  async function attempt(mutant: Mutant): Promise<Outcome> {
    const { id, room } = mutant;
    const tests = reach.testsOf(room);
    const directory = mkdtempSync(join(out, 'mutant-'));
    const file = join(directory, 'source.ts');
    writeFileSync(file, mutant.text);
    try {
      for (const test of tests) {
        const base = await baseFor(test);
        if (!runs(base, room, mutant.start)) continue;
        const { passed } = await tryTest(test, patienceOf(base), environmentOf(room, file));
        if (!passed) return keep({ id, outcome: 'killed', by: test, stamp: stampOf(mutant, test) });
      }
      return keep({ id, outcome: 'survived', stamp: stampOf(mutant, ...tests) });
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  function keep(outcome: Outcome): Outcome {
    outcomes.keep(outcome);
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
