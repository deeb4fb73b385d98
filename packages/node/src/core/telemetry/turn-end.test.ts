import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { atTurnEnd } from './turn-end.ts';

describe('atTurnEnd', () => {
  it('does everything of a turn together, in its order, once', async () => {
    const done: string[] = [];
    for (const name of ['first', 'second', 'third']) atTurnEnd(() => done.push(name));
    await Promise.resolve();
    assert.deepEqual(done, []);
    await turn();
    await turn();
    assert.deepEqual(done, ['first', 'second', 'third']);
  });

  it('does at once what is asked for meanwhile', async () => {
    const done: string[] = [];
    atTurnEnd(() => atTurnEnd(() => done.push('later')));
    await turn();
    assert.deepEqual(done, ['later']);
  });
});
