import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sampleResult } from '../results/result.fake.ts';
import type { ScenarioRun, Second } from '../results/result.ts';
import { findKnee } from './knee.ts';

const load = { ratePerSecond: 1_050, users: 1, durationSeconds: 10, brokers: 1 };
const [{ seconds: sampled }] = sampleResult.runs as [ScenarioRun];
const [sample] = sampled as [Second];
const seconds = (...p99Ms: (number | null)[]) =>
  p99Ms.map((ms, atSeconds) => ({ ...sample, atSeconds, p90Ms: ms, p99Ms: ms }));

describe('the knee of a rising rate', () => {
  it('is where latency leaves its line for good, not where one second was slow', () => {
    assert.equal(findKnee(seconds(2, 2, 90, 2, 3, 4, 25, 60, 300, 900), load), 650);
  });

  it('is not there while the line holds, nor if it breaks in the last seconds only', () => {
    assert.equal(findKnee(seconds(2, 2, 2, 3, 3, 3, 4, 4, 5, 5), load), undefined);
    assert.equal(findKnee(seconds(2, 2, 2, 3, 3, 3, 4, 4, 50, 50), load), undefined);
  });

  it('is where requests fail, however quickly', () => {
    const failing = seconds(2, 2, 2, 2, 2, 2, 2, 2).map((one) => ({ ...one, errors: one.atSeconds >= 4 ? 1 : 0 }));
    assert.equal(findKnee(failing, load), 450);
  });
});
