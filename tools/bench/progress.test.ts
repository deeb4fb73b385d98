import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createProgress } from './progress.ts';

it('progress of the bench is one line on a terminal and nothing in a log', () => {
  const written = (isTTY: boolean) => {
    const texts: string[] = [];
    const progress = createProgress({ isTTY, write: (text: string) => texts.push(text) > 0 } as NodeJS.WriteStream);
    progress('round 1 of 2');
    progress('round 2 of 2');
    return texts.join('');
  };
  assert.equal(written(false), '');
  assert.match(written(true), /^\rround 1 of 2 +\r\rround 2 of 2 +\r$/);
});
