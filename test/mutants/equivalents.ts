import type { Mutant } from './mutants.ts';

/** `reason` is a row of docs/threat-model.md, "Mutants that no test can see". */
type Equivalent = { room: string; was: string; now: string[]; reason: string };

/** By room, with the whole changed lines as `npm run mutants` prints them. */
export const equivalents: Equivalent[] = [];

/** The reason why no test can tell a mutant from the original; undefined if none is known. */
export function reasonOf({ room, was, now }: Mutant): string | undefined {
  return equivalents.find((one) => one.room === room && one.was === was && one.now.includes(now))?.reason;
}

/** The entries of these rooms that name no mutant any more. */
export function staleEntries(rooms: string[], mutants: Mutant[]): string[] {
  const known = new Set(mutants.map(({ room, was, now }) => `${room}: ${was} → ${now}`));
  return equivalents
    .filter(({ room }) => rooms.includes(room))
    .flatMap(({ room, was, now }) => now.map((one) => `${room}: ${was} → ${one}`))
    .filter((one) => !known.has(one));
}
