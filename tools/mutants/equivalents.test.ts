import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { threatModel } from '../promises.ts';
import { reasonOf, reasons, staleEntries } from './equivalents.ts';
import type { Mutant } from './mutations/mutants.ts';

const room = 'services/token-broker/src/input/form.ts';
const argued = { was: 'if (contentType === formType) return true;', now: 'if (false) return true;' };
const mutant = (more: Partial<Mutant> = {}): Mutant => ({
  id: '',
  room,
  line: 1,
  start: 0,
  text: '',
  ...argued,
  ...more,
});

describe('the mutants that no test can see', () => {
  it('are argued in the threat model, kind by kind', () => {
    const text = readFileSync(threatModel, 'utf8');
    const rows = text.slice(text.indexOf('### Mutants that no test can see')).matchAll(/^\| (\w+) \| ([^|]+) \|/gm);
    const told = [...rows].map(([, kind, why]) => [kind, why]).filter(([kind]) => kind !== 'Kind');
    assert.deepEqual(Object.fromEntries(told), reasons);
  });

  it('are known by room and both lines', () => {
    assert.equal(reasonOf(mutant()), 'shortcut');
    for (const other of [{ room: 'x' }, { was: 'x' }, { now: 'x' }]) assert.equal(reasonOf(mutant(other)), undefined);
  });

  it('are stale once their line is another', () => {
    const stale = staleEntries([room], [mutant()]).filter((one) => one.includes(argued.was));
    assert.deepEqual(stale, []);
    assert.equal(staleEntries([room], [mutant({ was: 'x' })]).filter((one) => one.includes(argued.was)).length, 1);
  });
});
