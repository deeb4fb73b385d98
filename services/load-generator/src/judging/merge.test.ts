import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHistogram, decode, encode, record } from '../results/histogram.ts';
import { sampleResult } from '../results/result.fake.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { Unsafe } from '../target/safety.ts';
import { merge } from './merge.ts';

const startAtMs = 1_800_000_000_000;

/** One pod of two, whose requests all took so long. */
function share(index: number, more: Partial<ScenarioRun> = {}, { requests = 600, ms = 5, of = 2 } = {}): Result {
  const [run] = sampleResult.runs;
  assert.ok(run);
  const histogram = createHistogram();
  for (let n = 0; n < requests; n += 1) record(histogram, ms);
  const encoded = encode(histogram);
  const own: ScenarioRun = {
    ...run,
    ...{ name: 'l1', verdict: 'pass', sloMs: 20, events: [], brokers: [], slowest: [], errors: [], checks: [] },
    load: { ratePerSecond: 60, users: 50, brokers: 0 },
    validity: { ...run.validity, offeredPerSecond: requests / 10, achievedPerSecond: requests / 10 },
    totals: { ...run.totals, requests, errors: 0, opened: 6, foreign: 0 },
    histograms: { response: encoded, service: encoded },
    pod: { index, of, startAtMs },
    ...more,
  };
  return { ...sampleResult, verdict: 'pass', runs: [own] };
}

describe('the results of several generators', () => {
  for (const [why, results, says] of [
    [
      'ran one after the other',
      [share(0), share(1, { pod: { index: 1, of: 2, startAtMs: startAtMs + 11_000 } })],
      /11\.0 s apart/,
    ],
    [
      'began a little later than together',
      [share(0), share(1, { pod: { index: 1, of: 2, startAtMs: startAtMs + 1_001 } })],
      /apart/,
    ],
    ['are one and the same', [share(0), share(0)], /shares 0, 0 of 2/],
    ['lack a share', [share(0, {}, { of: 3 }), share(2, {}, { of: 3 })], /shares 0, 2 of 3/],
    ['do not say when they began', [share(0), share(1, { pod: undefined } as Partial<ScenarioRun>)], /does not say/],
    ['are of different scenarios', [share(0), share(1, { name: 'cold' })], /same runs/],
  ] as [string, Result[], RegExp][])
    it(`are refused if they ${why}`, () => {
      assert.throws(
        () => merge(results),
        (error) => error instanceof Unsafe && says.test(error.message),
      );
    });

  it('are judged by the sum of their histograms, not one by one', () => {
    const { runs, verdict } = merge([share(0), share(1)]);
    assert.equal(verdict, 'pass');
    const [run] = runs;
    assert.equal(decode(run?.histograms.response ?? '').totalCount, 1_200);
    // Neither has the 1,000 requests that a 99th percentile needs.
    assert.match(run?.checks.find(({ name }) => name.startsWith('latency'))?.measured ?? '', /ms$/);
    assert.equal(merge([share(0), share(1, {}, { ms: 40 })]).verdict, 'fail');
  });

  it('add up: rates, people, requests', () => {
    const [run] = merge([share(0), share(1)]).runs;
    assert.deepEqual([run?.load.ratePerSecond, run?.load.users, run?.totals.requests], [120, 100, 1_200]);
    assert.equal(run?.pod, undefined);
  });

  it('are invalid together where all of them together were', () => {
    const { validity } = share(0).runs[0] ?? assert.fail();
    const late = { validity: { ...validity, achievedPerSecond: 59 } };
    assert.equal(merge([share(0), share(1, late)]).verdict, 'invalid');
    assert.match(merge([share(0), share(1, late)]).runs[0]?.validity.reasons[0] ?? '', /1190 of 1200/);
  });
});
