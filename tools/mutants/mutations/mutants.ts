import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isLua, luaMutations } from './lua.ts';
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
  const { source, mutations } = read(room, program);
  const seen = new Set([source]);
  const named = new Map<string, number>();
  return mutations.flatMap((mutation) => {
    const text = source.slice(0, mutation.start) + mutation.text + source.slice(mutation.end);
    if (seen.has(text)) return [];
    seen.add(text);
    const { was, now } = linesOf(source, mutation);
    const name = `${room}|${was}|${now}`;
    const nth = named.get(name) ?? 0;
    named.set(name, nth + 1);
    const line = source.slice(0, mutation.start).split('\n').length;
    return [{ id: hash('sha1', `${name}|${nth}`), room, line, start: mutation.start, was, now, text }];
  });
}

function read(room: string, program: Program): { source: string; mutations: Mutation[] } {
  if (isLua(room)) {
    const source = readFileSync(room, 'utf8');
    return { source, mutations: luaMutations(source) };
  }
  const source = program.source(room);
  return { source: source.text, mutations: mutationsOf(source) };
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
