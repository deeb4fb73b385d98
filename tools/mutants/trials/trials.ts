import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGate } from '../gate.ts';
import { isLua } from '../mutations/lua.ts';
import type { Mutant } from '../mutations/mutants.ts';
import type { Program } from '../mutations/program.ts';
import { type Base, baseOf, runs } from './base.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import type { Reach } from './reach.ts';
import { environmentOf, tryTest } from './trial.ts';

const out = 'out/mutants';
/** A mutant may double a wait, so its test gets more time; an endless one must cost little. */
const patienceFor = ({ ms }: Base) => ms + 20_000;

/** A test that waited longer for a core may have failed for lack of it, and runs once more. */
const mostWaitedMs = 10_000;

type Parts = { program: Program; reach: Reach; outcomes: Outcomes };

/** `tests`: how many files may try a mutant at most; `beside`: only the one beside its room. */
type Asked = { tests: number; beside: boolean; atOnce: number };

type RunningTest = { test: string; base: Base };

/** Finds out what becomes of a mutant. Every outcome is kept, so that a stopped run continues where it was. */
export class Trials {
  readonly #program: Program;
  readonly #reach: Reach;
  readonly #outcomes: Outcomes;
  readonly #rooms: string[];
  readonly #asked: Asked;
  readonly #atMost: ReturnType<typeof createGate>;
  readonly #bases = new Map<string, Promise<Base>>();
  readonly #testsByRoom = new Map<string, Promise<RunningTest[]>>();
  /** How many mutants of a room a test has killed, by `room test`. */
  readonly #kills = new Map<string, number>();

  constructor({ program, reach, outcomes }: Parts, rooms: string[], asked: Asked) {
    this.#program = program;
    this.#reach = reach;
    this.#outcomes = outcomes;
    this.#rooms = rooms;
    this.#asked = asked;
    this.#atMost = createGate(asked.atOnce);
  }

  /** What became of it earlier, if that still holds. A survivor may not have met every test. */
  known(mutant: Mutant): Outcome['outcome'] | undefined {
    const found = this.#outcomes.find(mutant.id)?.outcome;
    const files = this.#filesThatHold(mutant);
    if (found === 'killed') for (const test of files) this.#noteKill(mutant.room, test);
    return found !== 'survived' && files.length > 0 ? found : undefined;
  }

  /** Runs the tests that reach a mutant until one fails, and keeps the outcome. */
  async attempt(mutant: Mutant): Promise<Outcome['outcome']> {
    if (!isLua(mutant.room) && !this.#program.accepts(mutant.room, mutant.text))
      return this.#keep(mutant, 'refused', [mutant.room]);
    const passed = this.#outcomes.find(mutant.id)?.outcome === 'survived' ? this.#filesThatHold(mutant) : [];
    const directory = mkdtempSync(join(out, 'mutant-'));
    const file = join(directory, 'source');
    writeFileSync(file, mutant.text);
    try {
      const reaching = await this.#testsThatReach(mutant);
      const tests = reaching.filter((one) => !passed.includes(one)).slice(0, this.#asked.tests);
      for (const test of tests) {
        const patienceMs = patienceFor(await this.#baseFor(test));
        const failure = await findFailure(test, patienceMs, environmentOf(mutant.room, file));
        if (!failure) continue;
        this.#noteKill(mutant.room, test);
        return this.#keep(mutant, 'killed', [test], failure);
      }
      return this.#keep(mutant, 'survived', [...passed, ...tests]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  #keep(mutant: Mutant, outcome: Outcome['outcome'], files: string[], failure?: string): Outcome['outcome'] {
    const stamps = Object.fromEntries(files.map((file) => [file, this.#stamp(mutant, outcome, file)]));
    this.#outcomes.keep({ id: mutant.id, outcome, stamps, failure });
    return outcome;
  }

  /** A killed mutant stays killed however its test grows; a survivor is tried again when a test changes. */
  #stamp({ room }: Mutant, outcome: Outcome['outcome'], file: string): string {
    const textOfTest = outcome === 'survived' ? this.#reach.textOf(file) : '';
    return hash('sha1', `${this.#reach.textOf(room)}\n${textOfTest}`);
  }

  /** The files of an earlier outcome for which it still holds. */
  #filesThatHold(mutant: Mutant): string[] {
    const { outcome = 'killed', stamps = {} } = this.#outcomes.find(mutant.id) ?? {};
    const holds = ([file, stamp]: [string, string]) => existsSync(file) && stamp === this.#stamp(mutant, outcome, file);
    return Object.entries(stamps)
      .filter(holds)
      .map(([file]) => file);
  }

  #killsBy(room: string, test: string): number {
    return this.#kills.get(`${room} ${test}`) ?? 0;
  }

  #noteKill(room: string, test: string): void {
    this.#kills.set(`${room} ${test}`, this.#killsBy(room, test) + 1);
  }

  #baseFor(test: string): Promise<Base> {
    const measure = () => baseOf(test, this.#rooms, this.#reach.stampOf(test), join(out, 'base'));
    const base = this.#bases.get(test) ?? this.#atMost(measure);
    this.#bases.set(test, base);
    return base;
  }

  /** The test files that a mutant has to pass to survive: first those with the most kills in its room for their time. */
  async #testsThatReach({ room, start }: Mutant): Promise<string[]> {
    const ofRoom = this.#testsByRoom.get(room) ?? this.#testsOfRoom(room);
    this.#testsByRoom.set(room, ofRoom);
    const running = (await ofRoom).filter(({ base }) => runs(base, room, start));
    const worth = ({ test, base }: RunningTest) => (this.#killsBy(room, test) + 1) / base.ms;
    return running.sort((a, b) => worth(b) - worth(a)).map(({ test }) => test);
  }

  async #testsOfRoom(room: string): Promise<RunningTest[]> {
    const beside = room.replace(/ts$/, 'test.ts');
    const tests = this.#reach.testsOf(room).filter((test) => !this.#asked.beside || test === beside);
    return await Promise.all(tests.map(async (test) => ({ test, base: await this.#baseFor(test) })));
  }
}

/** Why a test fails, if it does. On busy cores a test has failed only when it fails twice. */
async function findFailure(test: string, patienceMs: number, env: Record<string, string>): Promise<string | undefined> {
  const first = await tryTest(test, patienceMs, env);
  const { passed, failure } =
    first.passed || first.waitedMs < mostWaitedMs ? first : await tryTest(test, patienceMs, env);
  return passed ? undefined : failure;
}
