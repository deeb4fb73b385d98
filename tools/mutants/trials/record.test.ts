import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import type { Mutant } from '../mutations/mutants.ts';
import { openRecord } from './record.ts';

const folder = mkdtempSync(join(tmpdir(), 'onbehalf-record-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'record.txt');
beforeEach(() => rmSync(file, { force: true }));

/** The mutants of a room with this source, three of them. */
function mutantsOf(name: string, source: string): Mutant[] {
  const room = join(folder, name);
  writeFileSync(room, source);
  return ['a', 'b', 'c'].map((change, start) => {
    const id = `${name}|${change}`;
    return { id, room, line: 1, start, was: source, now: change, text: `${source}${change}` };
  });
}

const [first, second, third] = mutantsOf('room.ts', 'x') as [Mutant, Mutant, Mutant];
const room = [first, second, third];

function record(mutants: Mutant[], ...outcomes: [Mutant, 'killed' | 'refused'][]): void {
  const opened = openRecord(file, mutants);
  for (const [mutant, outcome] of outcomes) opened.keep(mutant, outcome);
  opened.save();
}

const found = (mutants: Mutant[], fresh = false) => {
  const opened = openRecord(file, mutants, fresh);
  return mutants.map((mutant) => opened.find(mutant));
};

describe('the record of what is known', () => {
  it('goes on from what was killed and refused, a line a room', () => {
    assert.deepEqual(found(room), [undefined, undefined, undefined]);
    record(room, [second, 'killed']);
    record(room, [third, 'refused']);
    assert.deepEqual(found(room), [undefined, 'killed', 'refused']);
    assert.match(readFileSync(file, 'utf8'), /^\S+room\.ts \S{12} -kr\n$/);
  });

  it('knows nothing of a room whose source or mutants changed', () => {
    record(room, [first, 'killed']);
    assert.deepEqual(found(room.map((one) => ({ ...one, text: `${one.text} ` }))), [undefined, undefined, undefined]);
    assert.deepEqual(found([first, third]), [undefined, undefined]);
  });

  it('counts for nothing where all is asked again, and is replaced then', () => {
    record(room, [first, 'killed']);
    assert.deepEqual(found(room, true), [undefined, undefined, undefined]);
    openRecord(file, room, true).save();
    assert.deepEqual(found(room), [undefined, undefined, undefined]);
  });

  it('leaves the lines of other rooms as they are, but of those that are gone', () => {
    const other = mutantsOf('other.ts', 'y');
    const gone = mutantsOf('gone.ts', 'z');
    for (const mutants of [room, other, gone]) {
      record(mutants, ...mutants.map((one): [Mutant, 'killed'] => [one, 'killed']));
    }
    rmSync(join(folder, 'gone.ts'));
    record(room, [first, 'refused']);
    assert.deepEqual(found([...room, ...other]), ['refused', ...Array(5).fill('killed')]);
    assert.deepEqual(found(gone), [undefined, undefined, undefined]);
  });
});
