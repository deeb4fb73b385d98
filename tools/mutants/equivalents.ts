import argued from './equivalents.json' with { type: 'json' };
import type { Mutant } from './mutations/mutants.ts';

/**
 * Why no test can tell a mutant from the original, or why no promise rests on the difference; docs/threat-model.md has
 * them as a table.
 */
export const reasons = {
  shortcut: 'a quicker way for what is asked most: the long way answers the same',
  behind: 'what passes here is refused, or left out, by what comes next',
  same: 'both compute the same of everything that can reach them',
  bound: 'a size, a pause or a patience of our own choosing: a nearby one is as good',
  moment: 'they differ in one instant, or one try, of a clock or a race',
  tidy: 'it gives back memory, a timer or a listener sooner: nobody who asks can see it',
  telling: 'it decides what is logged, measured or traced, and how an error is worded',
} as const;

/** By room: the changed lines as `npm run mutants` prints them, and the reason. */
const equivalents: Record<string, { was: string; now: string; reason: string }[]> = argued;

const isSame = (one: { was: string; now: string }, other: { was: string; now: string }) =>
  one.was === other.was && one.now === other.now;

/** The reason why no test can tell a mutant from the original; undefined if none is argued. */
export function reasonOf(mutant: Mutant): string | undefined {
  return equivalents[mutant.room]?.find((one) => isSame(one, mutant))?.reason;
}

/** What is argued of these rooms and is no mutant any more, or for no reason of the table. */
export function staleEntries(rooms: string[], mutants: Mutant[]): string[] {
  return rooms.flatMap((room) =>
    (equivalents[room] ?? [])
      .filter(
        (one) => !(one.reason in reasons) || !mutants.some((mutant) => mutant.room === room && isSame(one, mutant)),
      )
      .map(({ was, now, reason }) => `${room} (${reason}):\n    ${was}\n  → ${now}`),
  );
}
