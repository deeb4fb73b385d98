import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHistogram, encode, record } from '../results/histogram.ts';
import { buckets, parseMetrics, quantileBetween, total } from '../sampling/metrics-text.ts';
import type { Part, Seen } from '../sending/plan.ts';
import { Tally } from '../sending/tally.ts';
import { atLeast, atMost, exactly, percentileAtMost, ratioAtMost } from './checks.ts';
import { judge, nothingWatched } from './judging.ts';
import type { Act } from './scenario.ts';
import { judgeValidity } from './validity.ts';

/** As many latencies of so many milliseconds. */
function latencies(count: number, ms: number): string {
  const histogram = createHistogram();
  for (let i = 0; i < count; i += 1) record(histogram, ms);
  return encode(histogram);
}

function seenOf(requests: number, failed: number): Seen {
  const tally = new Tally('token-exchange');
  for (let i = 0; i < requests; i += 1)
    tally.end({ dueMs: i, sentMs: i, endMs: i + 10 }, 0, i < failed ? { errorType: '500 server_error' } : {});
  return tally.toSeen();
}

const part = (more: Partial<Part> = {}): Part => ({
  ...{ requests: 2_000, sentInTime: 2_000, cpuSeconds: 1, tookSeconds: 2, lag: latencies(2_000, 1), slowest: [] },
  ...{ kinds: [], ...more },
});
const valid = (more: Partial<Part>, emulatorCpu = 0.1, cpuPressure = 0.8) =>
  judgeValidity({ parts: [part(more)], kinds: [], tookSeconds: 2, cpuPressure }, { durationSeconds: 2 }, emulatorCpu);

describe('a run', () => {
  it('is valid while its generator and the emulator keep up', () => {
    assert.deepEqual(valid({}).reasons, []);
    assert.equal(valid({}).achievedPerSecond, 1_000);
  });

  for (const [why, more, emulatorCpu, says, cpuPressure = 0.8] of [
    ['requests were left over', { sentInTime: 1_989 }, 0.1, /1989 of 2000/],
    ['requests went out late', { lag: latencies(2_000, 6) }, 0.1, /lag p99 6.0 ms/],
    ['the generator was busy', { cpuSeconds: 1.7 }, 0.1, /85 % of a core/],
    ['the emulator was busy', {}, 0.71, /emulator used 71 %/],
    ['the machine was short of processors', {}, 0.1, /waited for one 81 % of the time/, 0.81],
  ] as const) {
    it(`is invalid where ${why}`, () => {
      const { reasons } = valid(more, emulatorCpu, cpuPressure);
      assert.equal(reasons.length, 1);
      assert.match(reasons[0] ?? '', says);
    });
  }

  const performing = { load: { ratePerSecond: 1_000, users: 1, durationSeconds: 2, brokers: 1 }, repeat: 1, seed: 1 };
  const judged = async (failed: number, results: Partial<Part>, quick: boolean, limitMs = 20, saturates = false) => {
    const act: Act = {
      ...{ kinds: [], minimumCalls: () => 3, level: 'L1', saturates },
      checks: ({ all, totals }) => [
        percentileAtMost('latency', all.response, 99, limitMs),
        exactly('errors', totals.errors, 0),
      ],
    };
    const run = { name: 'l1', variant: '', startedAt: '2026-11-26T16:00:00Z', act };
    const seen = { parts: [part(results)], kinds: [seenOf(2_000, failed)], tookSeconds: 2 };
    return await judge({ ...run, performing: { ...performing, scaled: undefined, quick } }, seen, nothingWatched);
  };

  it('is valid though requests queued where it was to go beyond what brokers can', async () => {
    const queued = { lag: latencies(2_000, 60), sentInTime: 1_500 };
    assert.equal((await judged(0, queued, false)).verdict, 'invalid');
    assert.equal((await judged(0, queued, false, 20, true)).verdict, 'pass');
  });

  it('passes by its pass lines, and fails by any of them', async () => {
    assert.equal((await judged(0, {}, false)).verdict, 'pass');
    assert.equal((await judged(1, {}, false)).verdict, 'fail');
    assert.equal((await judged(0, {}, false, 5)).verdict, 'fail');
  });

  it('has no verdict of its figures where it is invalid, but of its counts where it is quick', async () => {
    const late = { lag: latencies(2_000, 50) };
    assert.equal((await judged(0, late, false)).verdict, 'invalid');
    assert.equal((await judged(0, late, true, 5)).verdict, 'pass');
    assert.equal((await judged(1, late, true)).verdict, 'fail');
  });

  it('tells each second what was due in it', async () => {
    const { seconds, totals, errors, levels } = await judged(7, {}, false);
    assert.deepEqual(
      seconds.map(({ requests, errors: failed, minimumCalls }) => [requests, failed, minimumCalls]),
      [
        [1_000, 7, 3],
        [1_000, 0, 3],
      ],
    );
    assert.deepEqual([totals.requests, totals.errors, totals.minimumCalls], [2_000, 7, 6]);
    assert.deepEqual(errors, [{ type: '500 server_error', count: 7 }]);
    assert.deepEqual([levels[0]?.level, levels[0]?.count], ['L1', 2_000]);
  });
});

it('judges by the limit itself, and never by what is not known', () => {
  assert.deepEqual([atMost('x', 5, 5).holds, atMost('x', 5.01, 5).holds], [true, false]);
  assert.deepEqual([atLeast('x', 99.9, 99.9).holds, atLeast('x', 99.89, 99.9).holds], [true, false]);
  assert.deepEqual([atMost('x', Number.NaN, 5).holds, atLeast('x', Number.NaN, 5).holds], [false, false]);
  assert.equal(percentileAtMost('x', latencies(999, 1), 99, 20).holds, false);
  assert.equal(percentileAtMost('x', latencies(1_000, 1), 99, 20).holds, true);
  assert.equal(ratioAtMost('x', latencies(1_000, 11), latencies(1_000, 10), 99, 1.15).holds, true);
  assert.equal(ratioAtMost('x', latencies(1_000, 12), latencies(1_000, 10), 99, 1.15).holds, false);
  assert.equal(ratioAtMost('x', latencies(10, 1), latencies(1_000, 10), 99, 1.15).holds, false);
});

it('reads what brokers tell of themselves', () => {
  const page = (below: number, all: number) => `# TYPE x histogram
x_bucket{le="0.1",a="b"} ${below}
x_bucket{le="0.2",a="b"} ${all}
x_bucket{le="+Inf",a="b"} ${all}
x_count{a="b",c="d \\"e\\""} ${all}
x_count{a="z"} 5`;
  const [before, after] = [parseMetrics(page(10, 10)), parseMetrics(page(60, 110))];
  assert.equal(total(after, 'x_count'), 115);
  assert.equal(
    total(after, 'x_count', ({ c }) => c === 'd \\"e\\"'),
    110,
  );
  const quantile = (part: number) => quantileBetween(buckets(before, 'x'), buckets(after, 'x'), part) ?? Number.NaN;
  assert.ok(Math.abs(quantile(0.5) - 0.1) < 1e-9);
  assert.ok(Math.abs(quantile(0.75) - 0.15) < 1e-9);
  assert.equal(quantileBetween(buckets(after, 'x'), buckets(after, 'x'), 0.5), null);
});
