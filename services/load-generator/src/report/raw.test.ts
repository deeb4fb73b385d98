import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HistogramLogReader } from 'hdr-histogram-js';
import { createHistogram, encode, record } from '../results/histogram.ts';
import { sampleResult } from '../results/result.fake.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { hlogName, toCsv, toHlog } from './raw.ts';

const histogram = createHistogram(2);
for (let n = 0; n < 50; n += 1) record(histogram, 12);
const [sample] = sampleResult.runs as [ScenarioRun];
const seconds = sample.seconds.map((second, n) => (n < 2 ? { ...second, histogram: encode(histogram) } : second));
const run: ScenarioRun = { ...sample, variant: 'token, "exchange"', seconds };
const result: Result = { ...sampleResult, runs: [run] };

it('the latencies of a run are a log that other HDR tools read', () => {
  const reader = new HistogramLogReader(toHlog(run));
  const read = [reader.nextIntervalHistogram(), reader.nextIntervalHistogram()];
  for (const one of read) {
    assert.equal(one?.totalCount, 50);
    assert.ok(Math.abs((one?.getValueAtPercentile(50) ?? 0) - 12_000) < 200);
  }
  assert.equal(reader.nextIntervalHistogram(), null);
  assert.equal(hlogName({ ...run, variant: 'Entra 0.5 s', repeat: 2 }), 'redis-down-Entra-0.5-s-repeat-2.hlog');
});

it('the seconds of all runs are a table that a spreadsheet opens', () => {
  const [head = '', first = '', ...others] = toCsv(result).trimEnd().split('\r\n');
  assert.equal(others.length, 9);
  assert.match(head, /^scenario,variant,repeat,atSeconds,requests,errors,p50Ms/);
  assert.match(first, /^"redis-down","token, ""exchange""",1,0,200,0,1\.2,/);
  assert.equal(first.split(',').length, head.split(',').length + 1, 'one comma is quoted');
});
