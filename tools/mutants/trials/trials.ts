import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLua } from '../mutations/lua.ts';
import type { Mutant } from '../mutations/mutants.ts';
import type { Program } from '../mutations/program.ts';
import { type Candidate, Candidates } from './candidates.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import type { Reach } from './reach.ts';
import { environmentOf, tryTests } from './trial.ts';

const out = 'out/mutants';
/** A mutant may double a wait, so its test gets more time; an endless one must cost little. */
const patienceFor = (ms: number) => 2 * ms + 10_000;

/** What stood still for longer may have failed for that, and runs once more. */
const mostWaitedMs = 3_000;

type Parts = { program: Program; reach: Reach; outcomes: Outcomes };

/** `tests`: how many files may try a mutant at most; `beside`: only the one beside its room. */
type Asked = { tests: number; beside: boolean; atOnce: number };

/** Finds out what becomes of a mutant. Every outcome is kept, so that a stopped run continues where it was. */
export class Trials {
  readonly #program: Program;
  readonly #reach: Reach;
  readonly #outcomes: Outcomes;
  readonly #tests: number;
  readonly #candidates: Candidates;

  constructor({ program, reach, outcomes }: Parts, rooms: string[], asked: Asked) {
    this.#program = program;
    this.#reach = reach;
    this.#outcomes = outcomes;
    this.#tests = asked.tests;
    this.#candidates = new Candidates(reach, rooms, asked);
  }

  /** What became of it earlier, if that still holds. A survivor may not have met every test. */
  known(mutant: Mutant): Outcome['outcome'] | undefined {
    const found = this.#outcomes.find(mutant.id);
    const files = this.#filesThatHold(mutant);
    if (found?.outcome === 'killed')
      for (const test of files) this.#candidates.noteKill(mutant, test, found.failure ?? '');
    return found?.outcome !== 'survived' && files.length > 0 ? found?.outcome : undefined;
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
      const candidates = await this.#candidates.for(mutant);
      const tests = [...new Set(candidates.map(({ part }) => part.test))]
        .filter((test) => !passed.includes(test))
        .slice(0, this.#tests);
      for (const candidate of candidates.filter(({ part }) => tests.includes(part.test))) {
        const failure = await this.#findFailure(mutant, candidate, environmentOf(mutant.room, file));
        if (failure) return this.#keep(mutant, 'killed', [candidate.part.test], failure);
      }
      return this.#keep(mutant, 'survived', [...passed, ...tests]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** Why a test fails, if it does. On busy cores a test has failed only when it fails twice. */
  async #findFailure(
    mutant: Mutant,
    { part, base }: Candidate,
    env: Record<string, string>,
  ): Promise<string | undefined> {
    this.#candidates.noteTry(mutant, part);
    const attempt = () => tryTests(part, patienceFor(base.ms), env);
    const first = await attempt();
    const { passed, failure } = first.passed || first.waitedMs < mostWaitedMs ? first : await attempt();
    if (passed) return undefined;
    this.#candidates.noteKill(mutant, part.test, failure);
    return failure;
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
}
