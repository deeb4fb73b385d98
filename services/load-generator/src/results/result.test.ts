import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createHistogram, decode, encode, percentileMs, percentilesOf, record, sum } from './histogram.ts';
import { sampleResult } from './result.fake.ts';
import { resultSchema, worstOf } from './result.ts';

it('takes a result that has something in every part, and gives back all of it', () => {
  assert.deepEqual(resultSchema.parse(JSON.parse(JSON.stringify(sampleResult))), sampleResult);
});

it('refuses a result of another version', () => {
  assert.equal(resultSchema.safeParse({ ...sampleResult, version: 2 }).success, false);
});

it('lets one invalid run take the verdict of all', () => {
  assert.deepEqual(
    [worstOf([]), worstOf(['pass', 'fail']), worstOf(['fail', 'invalid', 'pass'])],
    ['pass', 'fail', 'invalid'],
  );
});

it('adds histograms of processes where averaged percentiles would lie', () => {
  const [quick, slow] = [createHistogram(), createHistogram()];
  for (let i = 0; i < 1_000; i += 1) {
    record(quick, 1);
    record(slow, 100);
  }
  const both = decode(encode(sum([encode(quick), encode(slow)])));
  assert.equal(both.totalCount, 2_000);
  assert.equal(percentileMs(both, 50), 1);
  assert.ok(Math.abs((percentileMs(both, 99) ?? 0) - 100) <= 0.1);
});

it('tells no percentile that fewer than 10 samples lie beyond', () => {
  const few = createHistogram();
  for (let i = 0; i < 1_000; i += 1) record(few, 2);
  const { p99Ms, p999Ms, maxMs } = percentilesOf(few);
  assert.deepEqual([p99Ms, p999Ms, maxMs], [2, null, 2]);
});
