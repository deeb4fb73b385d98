import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { System } from '../kit/system/system.ts';
import { type Person, signInPeople } from './people.ts';
import { type Load, type Sample, steadyLoad } from './steady.ts';

/** How long each thing stays away; the sizes of the promise come with its minute. */
const outageSeconds = Number(process.env.OUTAGE_SECONDS ?? 4);
const sizes = outageSeconds >= 60 ? { people: 200, perSecond: 200 } : { people: 20, perSecond: 60 };

const settleMs = 1_000;
const warmRounds = 4;
/** Nothing but right answers for so long is whole again. */
const wholeForMs = 1_500;
const refuseWithinMs = 1_000;
/** Of all requests: on a busy machine a process waits for its turn. What hangs makes many more late. */
const lateShare = 0.01;

/** One way to take something away and to give it back. */
export type Trouble = {
  strike: () => Promise<unknown>;
  mend: () => Promise<unknown>;
  /** What else is looked at while it is away. */
  meanwhile?: () => Promise<unknown>;
  /** How soon after it is back every request is served again. */
  wholeWithinMs?: number;
  /** The share of requests, guests' aside, that are served meanwhile at least. */
  servedShare?: number;
  /** How many requests may get neither their answer nor a refusal that says when to come back; none unless said. */
  lost?: number;
  /** How long a refusal may take where something hangs; less than a second unless said. */
  refuseMs?: number;
};

/** A system full of people and what is asked of it all the time. */
export type Trials = AsyncDisposable & {
  people: readonly Person[];
  load: Load;
  /** Lets trouble pass over the load and judges it: nobody signed out, nobody else's answer, guests unharmed. */
  pass(trouble: Trouble, context: TestContext): Promise<void>;
};

/** Signs everybody in and starts the load. */
export async function openTrials(system: System): Promise<Trials> {
  const people = await signInPeople(system, sizes.people);
  const load = steadyLoad(system, people, sizes.perSecond);
  // Every pod comes to know everybody: connections go round.
  for (let round = 0; round < warmRounds; round += 1) {
    for (const person of people)
      await Promise.all((['session', 'call', 'on behalf'] as const).map((kind) => load.ask(kind, person)));
  }
  return {
    people,
    load,
    async pass(trouble, context) {
      await delay(settleMs);
      const beganMs = performance.now();
      await trouble.strike();
      const struckMs = performance.now();
      await trouble.meanwhile?.();
      await delay(Math.max(0, struckMs + outageSeconds * 1_000 - performance.now()));
      await trouble.mend();
      const mendedMs = performance.now();
      const wholeMs = await untilWhole(load, mendedMs, (trouble.wholeWithinMs ?? 5_000) + wholeForMs);
      const samples = load.samples.filter(({ atMs }) => atMs >= beganMs);
      context.diagnostic(`${tally(samples)}; whole again after ${wholeMs} ms`);
      judge(samples, trouble);
      const away = samples.filter(({ atMs, kind }) => atMs >= struckMs && atMs < mendedMs && kind !== 'guest');
      const served = away.filter(({ outcome }) => outcome === 'served').length / away.length;
      assert.ok(served >= (trouble.servedShare ?? 0), `only ${served} were served`);
      assert.ok(wholeMs <= (trouble.wholeWithinMs ?? 5_000), `whole again after ${wholeMs} ms`);
      await everybodyIsSignedIn(load, people);
    },
    [Symbol.asyncDispose]: () => load.stop(),
  };
}

/** Waits until all is served, for at most so long; when the last request began that was not, after `mendedMs`. */
async function untilWhole({ samples }: Load, mendedMs: number, withinMs: number): Promise<number> {
  const badMs = () => samples.findLast(({ outcome }) => outcome !== 'served')?.atMs ?? mendedMs;
  const lastBadMs = () => Math.max(mendedMs, badMs());
  while (performance.now() - lastBadMs() < wholeForMs && performance.now() - mendedMs < withinMs) await delay(tickMs);
  return Math.round(lastBadMs() - mendedMs);
}
const tickMs = 50;

function judge(samples: readonly Sample[], { lost: mayLose = 0, refuseMs = refuseWithinMs }: Trouble): void {
  const those = (is: (sample: Sample) => boolean) => samples.filter(is);
  assert.deepEqual(those(({ signedOut }) => signedOut).slice(0, 3), [], 'somebody is signed out');
  assert.deepEqual(those(({ foreign }) => foreign).slice(0, 3), [], 'somebody got what is another’s');
  assert.deepEqual(those(({ kind, outcome }) => kind === 'guest' && outcome !== 'served').slice(0, 3), [], 'guests');
  const lost = those(({ outcome }) => outcome === 'lost');
  assert.ok(lost.length <= mayLose, `${lost.length} are lost, first ${JSON.stringify(lost.slice(0, 3))}`);
  const slow = those(({ outcome, ms }) => outcome === 'refused' && ms >= refuseMs);
  const late = `${slow.length} are refused late, first ${JSON.stringify(slow.slice(0, 3))}`;
  assert.ok(slow.length <= samples.length * lateShare, late);
}

function tally(samples: readonly Sample[]): string {
  const of = (outcome: Sample['outcome']) => samples.filter((sample) => sample.outcome === outcome);
  const [served, refused, lost] = [of('served'), of('refused'), of('lost')];
  const slowest = (some: Sample[]) => Math.round(Math.max(0, ...some.map(({ ms }) => ms)));
  const whys = Object.entries(Object.groupBy(lost, ({ kind, why }) => `${kind} ${why}`));
  const reasons = whys.map(([why, those]) => `${those?.length} ${why}`).join(', ');
  return [
    `${samples.length} asked: ${served.length} served (slowest ${slowest(served)} ms)`,
    `${refused.length} refused (slowest ${slowest(refused)} ms)`,
    `${lost.length} lost${reasons && ` (${reasons})`}`,
    `${samples.filter(({ signedOut }) => signedOut).length} signed out`,
    `${samples.filter(({ foreign }) => foreign).length} foreign`,
  ].join(', ');
}

/** Asks everybody; who is told to come back does, on a machine that is busy. */
async function everybodyIsSignedIn(load: Load, people: readonly Person[]): Promise<void> {
  const endMs = performance.now() + askAgainForMs;
  for (const person of people) {
    let sample = await load.ask('session', person);
    while (sample.outcome === 'refused' && performance.now() < endMs) {
      await delay(tickMs);
      sample = await load.ask('session', person);
    }
    assert.equal(sample.outcome, 'served', `${person.username} is no longer signed in: ${sample.why}`);
  }
}
const askAgainForMs = 10_000;
