import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namedTests, unproved } from '../../tools/promises.ts';

const row = '| 1 | a promise | `test/a.test.ts` › holds, 2 of 2<br>`test/b.test.ts` › is kept | lacks `this` |';
const [first, second] = [
  { file: 'test/a.test.ts', title: 'holds, 2 of 2' },
  { file: 'test/b.test.ts', title: 'is kept' },
];
const times = [{ file: 'test/a.test.ts', seconds: 1 }];

describe('the tests of promises', () => {
  it('are read from a table and from a line', () => {
    assert.deepEqual(namedTests(row), [first, second]);
    assert.deepEqual(namedTests('* **Shown by:** `test/b.test.ts` › is kept'), [second]);
  });

  it('have all passed, in whatever suite', () => {
    const results = [
      { suite: 'unit', passes: [first], times },
      { suite: 'journeys', passes: [second], times },
    ];
    assert.deepEqual(unproved([first, second], results), []);
  });

  it('are missed when they did not run, failed, or passed under another title or in another file', () => {
    const elsewhere = [
      { file: first.file, title: 'holds' },
      { file: second.file, title: first.title },
    ];
    const missing = unproved([first, first], [{ suite: 'unit', passes: elsewhere, times }]);
    assert.deepEqual(missing, ['test/a.test.ts › holds, 2 of 2']);
    assert.equal(unproved([first], []).length, 1);
  });
});
