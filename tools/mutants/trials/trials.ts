import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLua } from '../mutations/lua.ts';
import type { Mutant } from '../mutations/mutants.ts';
import type { Program } from '../mutations/program.ts';
import { type Candidate, Candidates } from './candidates.ts';
import type { Reach } from './reach.ts';
import type { KnownMutants } from './record.ts';
import type { Survivors } from './survivors.ts';
import { environmentOf, tryTests } from './trial.ts';

const out = 'out/mutants';
/** A mutant may double a wait, so its test gets more time; an endless one must cost little. */
const patienceFor = (ms: number) => 2 * ms + 10_000;

/** What waited for longer may have failed for that, and runs once more. */
const mostWaitedMs = 3_000;

type Outcome = 'killed' | 'refused' | 'survived';

type Parts = { program: Program; reach: Reach; record: KnownMutants; survivors: Survivors };

/** `tests`: how many files may try a mutant at most; `beside`: only the one beside its room. */
type Asked = { tests: number; beside: boolean; atOnce: number };

/** Finds out what becomes of a mutant. Every outcome is kept, so that the next run goes on where this one stopped. */
export class Trials {
  readonly #program: Program;
  readonly #reach: Reach;
  readonly #record: KnownMutants;
  readonly #survivors: Survivors;
  readonly #tests: number;
  readonly #candidates: Candidates;

  constructor({ program, reach, record, survivors }: Parts, rooms: string[], asked: Asked) {
    this.#program = program;
    this.#reach = reach;
    this.#record = record;
    this.#survivors = survivors;
    this.#tests = asked.tests;
    this.#candidates = new Candidates(reach, rooms, asked);
  }

  /** Runs the tests that reach a mutant until one fails, and keeps the outcome. */
  async attempt(mutant: Mutant): Promise<Outcome> {
    if (!isLua(mutant.room) && !this.#program.accepts(mutant.room, mutant.text)) return this.#keep(mutant, 'refused');
    const passed = this.#passedBy(mutant);
    const directory = mkdtempSync(join(out, 'mutant-'));
    const file = join(directory, 'source');
    writeFileSync(file, mutant.text);
    try {
      const candidates = await this.#candidates.for(mutant);
      const tests = [...new Set(candidates.map(({ part }) => part.test))]
        .filter((test) => !passed.includes(test))
        .slice(0, this.#tests);
      for (const candidate of candidates.filter(({ part }) => tests.includes(part.test))) {
        if (await this.#fails(mutant, candidate, environmentOf(mutant.room, file))) return this.#keep(mutant, 'killed');
      }
      const stamps = [...passed, ...tests].map((test) => [test, this.#stamp(mutant, test)]);
      this.#survivors.keep(mutant.id, Object.fromEntries(stamps));
      return 'survived';
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** Whether a test fails. On busy cores it has only when it fails twice. */
  async #fails(mutant: Mutant, { part, base }: Candidate, env: Record<string, string>): Promise<boolean> {
    this.#candidates.noteTry(mutant, part);
    const attempt = async () => {
      let trial = await tryTests(part, patienceFor(base.ms), env);
      while (!trial.passed && trial.stillMs > mostWaitedMs) trial = await tryTests(part, patienceFor(base.ms), env);
      return trial;
    };
    const first = await attempt();
    const { passed, failure } = first.passed || first.waitedMs < mostWaitedMs ? first : await attempt();
    if (!passed) this.#candidates.noteKill(mutant, part.test, failure);
    return !passed;
  }

  #keep(mutant: Mutant, outcome: 'killed' | 'refused'): Outcome {
    this.#record.keep(mutant, outcome);
    return outcome;
  }

  /** A survivor is tried again when a test changes. */
  #stamp({ room }: Mutant, test: string): string {
    return hash('sha1', `${this.#reach.textOf(room)}\n${this.#reach.textOf(test)}`);
  }

  /** The tests that let a mutant pass earlier, and are what they were. */
  #passedBy(mutant: Mutant): string[] {
    const holds = ([test, stamp]: [string, string]) => existsSync(test) && stamp === this.#stamp(mutant, test);
    return Object.entries(this.#survivors.stampsOf(mutant.id))
      .filter(holds)
      .map(([test]) => test);
  }
}
