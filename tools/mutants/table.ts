import type { Mutant } from './mutations/mutants.ts';

/** What became of the mutants of one room. */
export type Row = {
  room: string;
  /** A test failed. */
  killed: number;
  /** `npm run check` refuses it. */
  refused: number;
  /** No test can see it; `equivalents.ts` says why. */
  equivalent: number;
  survived: Mutant[];
  /** Not tried yet. */
  left: number;
};

export const emptyRow = (room: string): Row => ({ room, killed: 0, refused: 0, equivalent: 0, survived: [], left: 0 });

/** Adds a mutant to the row of its room. */
export function count(rows: Map<string, Row>, mutant: Mutant, outcome: Exclude<keyof Row, 'room'>): void {
  const row = rows.get(mutant.room);
  if (!row) throw new Error(`${mutant.room} has no row`);
  if (outcome === 'survived') row.survived.push(mutant);
  else row[outcome] += 1;
}

/** The survivors one by one, in the order of their text, then the counts by room. */
export function tableOf(rows: Row[]): string {
  const survivors = rows
    .flatMap(({ survived }) => survived.toSorted((a, b) => a.start - b.start))
    .map(({ room, line, was, now }) => `✖ ${room}:${line}\n    ${was}\n  → ${now}`);
  const lines = rows.map(({ room, killed, refused, equivalent, survived, left }) => ({
    room: room.replace('services/', '').replace('/src', ''),
    counts: [killed, refused, equivalent, survived.length, left],
  }));
  const total = lines.reduce((sums, { counts }) => sums.map((sum, i) => sum + (counts[i] ?? 0)), [0, 0, 0, 0, 0]);
  const width = Math.max(...lines.map(({ room }) => room.length));
  const line = (room: string, cells: (string | number)[]) =>
    `${room.padEnd(width)}${cells.map((cell) => String(cell).padStart(11)).join('')}`;
  return [
    ...survivors,
    line('', ['killed', 'refused', 'equivalent', 'survived', 'not tried']),
    ...lines.map(({ room, counts }) => line(room, counts)),
    line('in all', total),
  ].join('\n');
}
