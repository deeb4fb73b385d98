import assert from 'node:assert/strict';
import { it } from 'node:test';
import { listPeople } from './people.ts';

it('the demo lists the people whom its sign-in shows, not the user of an agent', () => {
  const names = listPeople().map((line) => line.split(/ {2}/)[0]);
  assert.deepEqual(names, [
    'Alice Ahrens',
    'Bob Berger',
    'Carol Costa',
    'Dan Dahl',
    'Fay Fischer (Fabrikam)',
    'Gina Gallo',
  ]);
});
