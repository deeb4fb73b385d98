import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { longLines, reasons, sourceSizes } from '../../tools/sizes.ts';

describe('the sources', () => {
  const long = sourceSizes().filter(({ lines }) => lines > longLines);

  it(`say of every file over ${longLines} lines, in tools/sizes.ts, why it is one room`, () => {
    assert.ok(long.length > 0, 'nothing was measured');
    assert.deepEqual(
      long.filter(({ path }) => !reasons[path]),
      [],
      'long files without a reason',
    );
  });

  it('give no reason for a file that is short by now', () => {
    const paths = long.map(({ path }) => path);
    assert.deepEqual(
      Object.keys(reasons).filter((path) => !paths.includes(path)),
      [],
    );
  });
});
