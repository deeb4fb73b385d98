import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Base, baseOf, runs } from './base.ts';
import { createGate } from './gate.ts';
import type { Mutant } from './mutants.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import type { Program } from './program.ts';
import type { Reach } from './reach.ts';
import { environmentOf, tryTest } from './trial.ts';

const out = 'out/mutants';
/** What a mutated test may take: a mutant may double a wait, an endless one is to cost little. */
const patienceOf = ({ ms }: Base) => ms + 20_000;

/** A test that waited longer for a core may have failed of that, and is run once more. */
const mostWaitedMs = 10_000;

type Parts = { program: Program; reach: Reach; outcomes: Outcomes };

/** `tests`: how many files are asked about a mutant at most; `beside`: only the one beside its room. */
type Asked = { tests: number; beside: boolean; atOnce: number };

/**
 * How to learn what becomes of a mutant. Every answer is kept, so that a run that is stopped goes on where it was.
 */
export function createTrials({ program, reach, outcomes }: Parts, rooms: string[], asked: Asked) {
  const bases = new Map<string, Promise<Base>>();
  const byRoom = new Map<string, ReturnType<typeof testsOfRoom>>();
  /** What a test killed stays killed by it, however it grows; what it let pass it may see by now. */
  const stampOf = ({ room }: Mutant, outcome: Outcome['outcome'], file: string) =>
    hash('sha1', `${reach.textOf(room)}\n${outcome === 'survived' ? reach.textOf(file) : ''}`);

  const atMost = createGate(asked.atOnce);
  function baseFor(test: string): Promise<Base> {
    const known = bases.get(test) ?? atMost(() => baseOf(test, rooms, reach.stampOf(test), join(out, 'base')));
    bases.set(test, known);
    return known;
  }

  /** The files of an earlier outcome for which it still holds. */
  function holding(mutant: Mutant): string[] {
    const { outcome = 'killed', stamps = {} } = outcomes.find(mutant.id) ?? {};
    const holds = ([file, stamp]: [string, string]) => existsSync(file) && stamp === stampOf(mutant, outcome, file);
    return Object.entries(stamps)
      .filter(holds)
      .map(([file]) => file);
  }

  /** How many mutants of a room a test has killed. */
  const kills = new Map<string, number>();
  const killsOf = (room: string, test: string) => kills.get(`${room} ${test}`) ?? 0;
  const noteKill = (room: string, test: string) => kills.set(`${room} ${test}`, killsOf(room, test) + 1);

  /** What became of it earlier, if that still holds. A survivor may not have been shown to every test. */
  function known(mutant: Mutant): Outcome['outcome'] | undefined {
    const found = outcomes.find(mutant.id)?.outcome;
    const files = holding(mutant);
    if (found === 'killed') for (const test of files) noteKill(mutant.room, test);
    return found !== 'survived' && files.length > 0 ? found : undefined;
  }

  /** The tests that run a room. */
  async function testsOfRoom(room: string): Promise<{ test: string; base: Base }[]> {
    const beside = room.replace(/ts$/, 'test.ts');
    const tests = reach.testsOf(room).filter((test) => !asked.beside || test === beside);
    return await Promise.all(tests.map(async (test) => ({ test, base: await baseFor(test) })));
  }

  /** The test files that a mutant has to pass to survive: first those that have killed the most of its room in their time. */
  async function testsOf({ room, start }: Mutant): Promise<string[]> {
    const ofRoom = byRoom.get(room) ?? testsOfRoom(room);
    byRoom.set(room, ofRoom);
    const running = (await ofRoom).filter(({ base }) => runs(base, room, start));
    const worth = ({ test, base }: (typeof running)[number]) => (killsOf(room, test) + 1) / base.ms;
    return running.sort((a, b) => worth(b) - worth(a)).map(({ test }) => test);
  }

  async function attempt(mutant: Mutant): Promise<Outcome['outcome']> {
    if (!program.accepts(mutant.room, mutant.text)) return keep(mutant, 'refused', [mutant.room]);
    const passed = outcomes.find(mutant.id)?.outcome === 'survived' ? holding(mutant) : [];
    const directory = mkdtempSync(join(out, 'mutant-'));
    const file = join(directory, 'source.ts');
    writeFileSync(file, mutant.text);
    try {
      const tests = (await testsOf(mutant)).filter((one) => !passed.includes(one)).slice(0, asked.tests);
      for (const test of tests) {
        const failure = await failureOf(test, patienceOf(await baseFor(test)), environmentOf(mutant.room, file));
        if (!failure) continue;
        noteKill(mutant.room, test);
        return keep(mutant, 'killed', [test], failure);
      }
      return keep(mutant, 'survived', [...passed, ...tests]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  function keep(mutant: Mutant, outcome: Outcome['outcome'], files: string[], failure?: string): Outcome['outcome'] {
    const stamps = Object.fromEntries(files.map((file) => [file, stampOf(mutant, outcome, file)]));
    outcomes.keep({ id: mutant.id, outcome, stamps, failure });
    return outcome;
  }
  return { known, attempt };
}

/** Why a test fails, if it does; while others keep the cores busy only what fails twice. */
async function failureOf(test: string, patienceMs: number, env: Record<string, string>): Promise<string | undefined> {
  const first = await tryTest(test, patienceMs, env);
  const { passed, failure } =
    first.passed || first.waitedMs < mostWaitedMs ? first : await tryTest(test, patienceMs, env);
  return passed ? undefined : failure;
}
