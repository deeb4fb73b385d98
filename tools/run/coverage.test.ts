import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { coverageTable, mergeCoverage } from './coverage.ts';

describe('the table of covered lines', () => {
  it('counts a line that one of several test files ran, and names the others', () => {
    const lines = (...counts: number[]) => counts.map((count, index) => ({ line: index + 1, count }));
    const [a, b] = [resolve('a.ts'), resolve('b.ts')];
    const merged = mergeCoverage([
      { path: a, lines: lines(1, 0, 0, 0, 0) },
      { path: a, lines: lines(0, 1, 0, 0, 0) },
      { path: b, lines: lines(3) },
    ]);
    assert.equal(coverageTable(merged), 'lines run, file, lines not run\n   40.0 %  a.ts  3-5\n  100.0 %  b.ts');
  });
});
