import { hash } from 'node:crypto';
import { type Mutation, mutationsOf } from './mutators.ts';
import type { Program } from './program.ts';

/** A room with one change. `was` and `now` are the lines that differ, in one line each; with `nth` they name it. */
export type Mutant = {
  id: string;
  room: string;
  line: number;
  start: number;
  was: string;
  now: string;
  /** The whole source. */
  text: string;
};

/** Every mutant of a room, each text once. */
export function mutantsOf(room: string, program: Program): Mutant[] {
  const source = program.source(room);
  const seen = new Set([source.text]);
  const named = new Map<string, number>();
  return mutationsOf(source).flatMap((mutation) => {
    const text = source.text.slice(0, mutation.start) + mutation.text + source.text.slice(mutation.end);
    if (seen.has(text)) return [];
    seen.add(text);
    const { was, now } = linesOf(source.text, mutation);
    const name = `${room}|${was}|${now}`;
    const nth = named.get(name) ?? 0;
    named.set(name, nth + 1);
    const line = source.text.slice(0, mutation.start).split('\n').length;
    return [{ id: hash('sha1', `${name}|${nth}`), room, line, start: mutation.start, was, now, text }];
  });
}

/** The whole lines that a mutation touches, before and after it, without the white space that only lays them out. */
function linesOf(text: string, { start, end, text: put }: Mutation) {
  const from = text.lastIndexOf('\n', start - 1) + 1;
  const to = text.indexOf('\n', end) === -1 ? text.length : text.indexOf('\n', end);
  const flat = (lines: string) => lines.replaceAll(/\s+/g, ' ').trim();
  return {
    was: flat(text.slice(from, to)),
    now: flat(text.slice(from, start) + put + text.slice(end, to)),
  };
}
