import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sampleResult } from '../results/result.fake.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { findClaims } from './claims.ts';
import { troubledResult } from './runs.fake.ts';

const [sample] = sampleResult.runs as [ScenarioRun];
const run = (
  name: string,
  more: Partial<ScenarioRun> = {},
  totals: Partial<ScenarioRun['totals']> = {},
): ScenarioRun => ({
  ...sample,
  ...{ name, errors: [] },
  totals: { ...sample.totals, opened: 10, foreign: 0, errors: 0, ...totals },
  ...more,
});
const told = (runs: ScenarioRun[], more: Partial<Result> = {}) => {
  const { bench: _, ...rest } = sampleResult;
  return findClaims({ ...rest, runs, ...more }).map(
    ({ sentence, holds }) => `${holds ? 'holds' : 'fails'}: ${sentence}`,
  );
};

describe('the claims of a report', () => {
  it('count the calls of all bursts, and say of how many of them there was one', () => {
    const burst = (calls: number) =>
      run('stampede', { variant: 'token-exchange, Entra 3 s' }, { calls, requests: 1_000 });
    assert.equal(told([burst(1), burst(1)])[0], 'holds: 1 Entra call in each of 2 bursts of 1,000 requests');
    assert.equal(told([burst(1), burst(2)])[0], 'fails: 1 Entra call in 1 of 2 bursts of 1,000 requests');
  });

  it('count wrong tokens over all runs, and failures while brokers are replaced', () => {
    assert.deepEqual(told([run('rolling', {}, { requests: 9_000 }), run('l1', {}, { foreign: 1 })]).slice(0, 2), [
      'fails: 1 wrong tokens among 20 that were opened',
      'holds: 0 of 9,000 requests failed while every broker was replaced',
    ]);
  });

  it('notice who was signed out by an outage', () => {
    const ended = [{ type: '400 invalid_grant', count: 3 }];
    assert.match(told([run('redis-down')]).join('\n'), /^holds: Nobody was signed out while Redis was away for 4 s$/m);
    assert.match(told([run('redis-down', { errors: ended })]).join('\n'), /^fails: 3 requests were signed out/m);
  });

  it('tell no latency of an invalid run', () => {
    const invalid = { validity: { ...sample.validity, valid: false, reasons: ['late'] } };
    assert.match(told([run('l1')]).join('\n'), /A cached token takes/);
    assert.doesNotMatch(told([run('l1', invalid)]).join('\n'), /A cached token takes/);
  });

  it('tell what a request costs, where it was measured', () => {
    const { bench } = troubledResult();
    const text = told([run('l1')], bench ? { bench } : {}).join('\n');
    assert.match(text, /A cached token costs .* µs of CPU: 1\.\d+ times a bare Express response, 1\/9 of stock/);
  });
});
