import { hash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Mutant } from '../mutations/mutants.ts';

const letters = { killed: 'k', refused: 'r' } as const;
const unknown = '-';

/**
 * Which mutants are known to be killed, or refused by the compiler: a line a room, with a letter for each of its mutants
 * in their order. The digest before them is that of the mutants, so that a room that changes is asked again.
 * @param mutants all of each room that is asked about.
 * @param fresh whether nothing of these rooms counts as known yet.
 */
export function openRecord(file: string, mutants: Mutant[], fresh = false) {
  const read = () => {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    return new Map(lines.map((line) => [line.split(' ')[0] ?? '', line]));
  };
  const before = read();
  const rooms = [...Map.groupBy(mutants, ({ room }) => room)].map(([room, own]) => {
    const digest = hash('sha1', own.map(({ text }) => text).join('\n'), 'base64url').slice(0, 12);
    const [, digestBefore, known] = before.get(room)?.split(' ') ?? [];
    const isKnown = !fresh && digest === digestBefore && known?.length === own.length;
    return { room, digest, ids: own.map(({ id }) => id), known: [...(isKnown ? known : unknown.repeat(own.length))] };
  });
  const places = new Map(rooms.flatMap(({ ids, known }) => ids.map((id, index) => [id, { known, index }] as const)));

  return {
    find({ id }: Mutant): keyof typeof letters | undefined {
      const place = places.get(id);
      const letter = place?.known[place.index];
      return letter === letters.killed ? 'killed' : letter === letters.refused ? 'refused' : undefined;
    },
    keep({ id }: Mutant, outcome: keyof typeof letters): void {
      const place = places.get(id);
      if (place) place.known[place.index] = letters[outcome];
    },
    /** At once or not at all; lines of other rooms stay as they are, those of rooms that are gone go. */
    save(): void {
      const lines = read();
      for (const { room, digest, known } of rooms) lines.set(room, `${room} ${digest} ${known.join('')}`);
      const kept = [...lines].filter(([room]) => existsSync(room)).map(([, line]) => `${line}\n`);
      writeFileSync(`${file}.new`, kept.sort().join(''));
      renameSync(`${file}.new`, file);
    },
  };
}

export type KnownMutants = ReturnType<typeof openRecord>;
