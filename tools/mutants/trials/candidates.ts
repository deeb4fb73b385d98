import { createGate } from '../gate.ts';
import type { Mutant } from '../mutations/mutants.ts';
import { type Base, baseOf, runs } from './base.ts';
import { isSame, type Part, partsOf } from './part.ts';
import type { Reach } from './reach.ts';

const directory = 'out/mutants/base';

/** Of a longer part only the test that killed the mutant's neighbour is asked first, by itself. */
const longMs = 1_500;

export type Candidate = { part: Part; base: Base };

/** A test that killed a mutant, and where that one stands. */
type Kill = { start: number; test: string; title: string };

type Tally = { kills: number; tries: number };

/** Knows the tests that may kill a mutant, and which of them to ask first. */
export class Candidates {
  readonly #reach: Reach;
  readonly #rooms: string[];
  readonly #beside: boolean;
  readonly #atMost: ReturnType<typeof createGate>;
  readonly #bases = new Map<string, Promise<Base>>();
  readonly #byRoom = new Map<string, Promise<Candidate[]>>();
  readonly #kills = new Map<string, Kill[]>();
  readonly #tallies = new Map<string, Tally>();

  constructor(reach: Reach, rooms: string[], { beside, atOnce }: { beside: boolean; atOnce: number }) {
    this.#reach = reach;
    this.#rooms = rooms;
    this.#beside = beside;
    this.#atMost = createGate(atOnce);
  }

  /**
   * What a mutant has to pass to survive: first what killed its nearest neighbour, then what kills most in its room for
   * its time.
   */
  async for(mutant: Mutant): Promise<Candidate[]> {
    const { room, start } = mutant;
    const ofRoom = this.#byRoom.get(room) ?? this.#ofRoom(room);
    this.#byRoom.set(room, ofRoom);
    const running = (await ofRoom).filter(({ base }) => runs(base, room, start));
    const worth = ({ part: { test }, base }: Candidate) => {
      const { kills, tries } = this.#tallyOf(room, test);
      return (kills + 1) / (tries + 2) / base.ms;
    };
    const inOrder = running.sort((a, b) => worth(b) - worth(a));
    const first = await this.#killerNear(mutant, running);
    return first ? [first, ...inOrder.filter(({ part }) => !isSame(part, first.part))] : inOrder;
  }

  noteTry({ room }: Mutant, { test }: Part): void {
    this.#tallyOf(room, test).tries += 1;
  }

  noteKill({ room, start }: Mutant, test: string, title: string): void {
    this.#tallyOf(room, test).kills += 1;
    const ofRoom = this.#kills.get(room) ?? [];
    this.#kills.set(room, ofRoom);
    ofRoom.push({ start, test, title });
  }

  #tallyOf(room: string, test: string): Tally {
    const key = `${room} ${test}`;
    const tally = this.#tallies.get(key) ?? { kills: 0, tries: 0 };
    this.#tallies.set(key, tally);
    return tally;
  }

  async #killerNear({ room, start }: Mutant, running: Candidate[]): Promise<Candidate | undefined> {
    const distance = (kill: Kill) => Math.abs(kill.start - start);
    const [near] = (this.#kills.get(room) ?? []).toSorted((a, b) => distance(a) - distance(b));
    const ofFile = running.filter(({ part }) => part.test === near?.test);
    const candidate = ofFile.find(({ part }) => part.only === near?.title) ?? ofFile.find(({ part }) => !part.only);
    if (!near || !candidate || candidate.part.only || candidate.base.ms < longMs) return candidate;
    const part = { test: near.test, only: near.title };
    // A test that needs those before it fails by itself.
    const base = await this.#baseFor(part).catch(() => undefined);
    return base && runs(base, room, start) ? { part, base } : candidate;
  }

  #baseFor(part: Part): Promise<Base> {
    const key = JSON.stringify(part);
    const measure = () => baseOf(part, this.#rooms, this.#reach.stampOf(part.test), directory);
    const base = this.#bases.get(key) ?? this.#atMost(measure);
    this.#bases.set(key, base);
    return base;
  }

  async #ofRoom(room: string): Promise<Candidate[]> {
    const beside = room.replace(/ts$/, 'test.ts');
    const tests = this.#reach.testsOf(room).filter((test) => !this.#beside || test === beside);
    return (await Promise.all(tests.map((test) => this.#ofFile(test)))).flat();
  }

  async #ofFile(test: string): Promise<Candidate[]> {
    const whole = await this.#baseFor({ test });
    const measured = partsOf(test, whole.slow).map(async (part) => ({ part, base: await this.#baseFor(part) }));
    // A file whose parts need each other is asked whole.
    return await Promise.all(measured).catch(() => [{ part: { test }, base: whole }]);
  }
}
