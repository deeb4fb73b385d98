import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { textOf } from '../../../../test/kit/html.ts';
import { toColumns } from '../drawing/columns.ts';
import { formatShare } from '../drawing/format.ts';
import { curveOf } from '../drawing/percentile-curve.ts';
import { linear, logarithmic } from '../drawing/scale.ts';
import { createHistogram, decode, encode, percentileMs, record } from '../results/histogram.ts';
import { sampleResult } from '../results/result.fake.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { renderReport } from './report.ts';
import { troubledResult } from './runs.fake.ts';

const page = renderReport(sampleResult);
const [run] = sampleResult.runs as [ScenarioRun];

/** The drawing over time of the first run, as markup. */
const drawing = page.slice(page.indexOf('run-1-o-t'), page.indexOf('</svg>', page.indexOf('run-1-o-t')));

/** A panel of it, from its title to the next panel's. */
function panel(title: string): string {
  const from = drawing.indexOf(`>${title}<`);
  assert.notEqual(from, -1, title);
  const to = drawing.indexOf('class="panel"', from);
  return drawing.slice(from, to < 0 ? undefined : to);
}

/** The ends of a path's steps, or its corners. */
const pointsOf = (markup: string, name: string): [number, number][] => {
  const path = new RegExp(`class="[^"]*\\b${name}" d="([^"]*)"`).exec(markup)?.[1] ?? assert.fail(name);
  return [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
};

/** The numbers beside a panel and where they stand, as a reader finds the values of points. */
const ticksOf = (markup: string): [value: number, y: number][] =>
  [...markup.matchAll(/y="([\d.]+)" class="tick" text-anchor="end">([\d.,]+) ?(ms|s|%)?</g)].map(
    ([, y, text, unit]) => [Number(text?.replace(',', '')) * (unit === 's' ? 1_000 : 1), Number(y) - 4],
  );

describe('the report', () => {
  it('draws the percentiles that were given, as its own axis tells them', () => {
    const markup = panel('Latency from the intended send');
    const [[low, lowY] = [0, 0], ...rest] = ticksOf(markup);
    const [high, highY] = rest.at(-1) ?? assert.fail('one tick');
    const valueAt = (y: number) => low * (high / low) ** ((y - lowY) / (highY - lowY));
    for (const [name, key] of [
      ['p50', 'p50Ms'],
      ['p90', 'p90Ms'],
      ['p99', 'p99Ms'],
      ['max', 'maxMs'],
    ] as const) {
      const drawn = pointsOf(markup, `series ${name}`).map(([, y]) => valueAt(y));
      assert.equal(drawn.length, run.seconds.length);
      run.seconds.forEach((second, at) => {
        const off = (drawn[at] ?? 0) / (second[key] ?? 0);
        assert.ok(off > 0.97 && off < 1.03, `${name} at ${at}: ${drawn[at]} for ${second[key]}`);
      });
    }
  });

  it('draws no percentile that was not told', () => {
    assert.match(panel('Latency from the intended send'), /class="series p999" d=""/);
  });

  it('draws the calls and the least of them that were given', () => {
    const markup = panel('Calls to Entra a second');
    const ticks = ticksOf(markup);
    const [zero, zeroY] = ticks[0] ?? assert.fail('no ticks');
    const [high, highY] = ticks.at(-1) ?? assert.fail('no ticks');
    assert.equal(zero, 0);
    const valueAt = (y: number) => (high * (y - zeroY)) / (highY - zeroY);
    const path = /class="fill calls" d="([^"]*)"/.exec(markup)?.[1] ?? '';
    const tops = [...path.matchAll(/V([\d.]+)H/g)].map(([, y]) => Math.round(valueAt(Number(y)) * 10) / 10);
    assert.deepEqual(
      tops,
      run.seconds.map(({ calls }) => calls).filter((calls) => calls > 0),
    );
    const least = pointsOf(markup, 'series minimum').map(([, y]) => Math.round(valueAt(y)));
    assert.deepEqual(
      least,
      run.seconds.flatMap(({ minimumCalls }) => [minimumCalls, minimumCalls]),
    );
    assert.equal(markup.match(/class="series throttled" d="(M[^"M]*)"/)?.length, 2, 'one second had a 429');
    assert.match(markup, /class="stampeded" d="M[^"]+"/);
  });

  it('shades an event from its beginning to its end', () => {
    const [, x, width] =
      /class="event-cut"><rect class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/.exec(drawing) ?? [];
    const at = (seconds: number) => {
      const found = new RegExp(`x="([\\d.]+)" y="[\\d.]+" class="tick" text-anchor="middle">${seconds} s<`).exec(
        drawing,
      );
      return Number(found?.[1]);
    };
    assert.ok(Math.abs(Number(x) - at(3)) < 0.2);
    assert.ok(Math.abs(Number(x) + Number(width) - at(7)) < 0.2);
  });

  it('says in tables what it draws', () => {
    const text = textOf(page);
    assert.match(text, /4 s 200 18 1\.4 ms 700 ms 980 ms – 1\.2 s 182 0 0 0 1 0 0/);
    assert.match(text, /503 temporarily_unavailable 72 3\.6 %/);
    assert.match(text, /calls to Entra 10 50 per 10,000 requests/);
    assert.match(text, /L1 2 1,900 1\.1 ms 2 ms 6 ms – 9\.8 ms/);
    assert.match(text, /the others are refused in time 503 \+ Retry-After < 1 s 1\.2 s ✕ fail/);
    assert.match(text, /Less than specified: duration 10 of 190 s/);
    assert.match(text, /HGET 18 9 SET 6 3/);
  });

  it('draws the slowest traces as sequences', () => {
    assert.match(page, /<details open><summary>1\.2 s at 4\.2 s <code>5b8aa5a2d2c872e8321cf37308d69df2<\/code>/);
    assert.match(page, /class="drawing sequence"/);
    assert.match(page, /HGET · 250 ms/);
  });

  it('says invalid before all else where the generator cannot be believed', () => {
    const validity = { ...run.validity, valid: false, reasons: ['achieved 91 % of what was offered'] };
    const runs = [{ ...run, verdict: 'invalid' as const, validity }];
    const text = textOf(renderReport({ ...sampleResult, verdict: 'invalid', runs }));
    assert.match(text, /^.{0,120}\? invalid 1 run: 1 invalid\./);
    assert.match(text, /achieved 91 % of what was offered/);
    assert.match(text, /an invalid run decides none/);
  });

  it('holds a quick run to no times', () => {
    const checks = [{ name: 'latency p99', target: '<= 20 ms', measured: 'too few samples', holds: false, time: true }];
    const told = (quick: boolean) => {
      const context = { ...sampleResult.context, quick };
      return textOf(renderReport({ ...sampleResult, context, runs: [{ ...run, checks, verdict: 'pass' }] }));
    };
    assert.match(told(false), /What does not hold/);
    assert.doesNotMatch(told(true), /What does not hold/);
    assert.match(told(true), /latency p99 <= 20 ms too few samples not judged: quick/);
  });

  it('draws a baseline beside the same scenario and variant only', () => {
    const curve = (baseline: Result) => />baseline</.test(renderReport(sampleResult, baseline));
    assert.equal(curve(sampleResult), true);
    assert.equal(curve({ ...sampleResult, runs: [{ ...run, variant: 'with refresh_in' }] }), false);
    assert.equal(curve({ ...sampleResult, runs: [{ ...run, name: 'wave' }] }), false);
  });

  it('needs nothing from elsewhere and runs nothing', () => {
    const troubled = renderReport(troubledResult());
    assert.match(
      troubled,
      /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">/,
    );
    const outside = troubled.replaceAll('xmlns="http://www.w3.org/2000/svg"', '');
    assert.doesNotMatch(outside, /<script|<link|<img|<iframe|\bsrc=|\bon\w+="|@import|url\(|https?:\/\//i);
  });

  it('escapes every text of a result', () => {
    const nasty = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`;
    const poisoned = poison(troubledResult(), nasty) as Result;
    const names = [...renderReport(poisoned, poisoned).matchAll(/<([a-z0-9]+)/gi)].map(([, name]) => name);
    assert.ok(names.length > 1_000);
    assert.ok(!names.includes('script') && !names.includes('img'));
  });

  it('stays under 1 MB with thirty long scenarios three times each, and with an hour', () => {
    const [wave] = troubledResult().runs as [ScenarioRun];
    const runs = Array.from({ length: 90 }, (_, n) => ({
      ...wave,
      variant: `${n % 30}`,
      repeat: 1 + Math.floor(n / 30),
    }));
    assert.ok(Buffer.byteLength(renderReport({ ...sampleResult, runs })) <= 1_000_000);
    const seconds = Array.from({ length: 3_600 }, (_, at) => ({ ...wave.seconds[at % 300], atSeconds: at }));
    const hour = { ...wave, durationSeconds: 3_600, seconds: seconds as ScenarioRun['seconds'] };
    assert.ok(Buffer.byteLength(renderReport({ ...sampleResult, runs: [hour] })) <= 1_000_000);
  });

  it('draws of several repeats the one that does not hold, and says how far they lie apart', () => {
    const repeats = [1, 2, 3].map((repeat) => ({
      ...run,
      repeat,
      verdict: repeat === 2 ? ('fail' as const) : ('pass' as const),
    }));
    const html = renderReport({ ...sampleResult, runs: repeats });
    assert.deepEqual(html.match(/<h2>redis-down[^<]*/g), ['<h2>redis-down · repeat 2 ']);
    assert.match(textOf(html), /Spread over repeats Run Repeats p50 p99 max Calls Errors redis-down 3 /);
  });

  it('shows a run of which nothing came', () => {
    const empty = encode(createHistogram());
    const none = { ...run, seconds: [], events: [], brokers: [], checks: [], levels: [], errors: [], slowest: [] };
    const text = textOf(
      renderReport({ ...sampleResult, runs: [{ ...none, histograms: { response: empty, service: empty } }] }),
    );
    assert.doesNotMatch(text, /NaN|Infinity|undefined|null/);
  });
});

describe('columns', () => {
  it('take percentiles from added histograms, and from the worst second where there are none', () => {
    const seconds = [1, 100].map((ms, atSeconds) => {
      const histogram = createHistogram(2);
      for (let n = 0; n < 1_000; n++) record(histogram, n < 990 ? 1 : ms);
      return { ...run.seconds[0], atSeconds, requests: 1_000, p99Ms: ms, histogram: encode(histogram) };
    }) as ScenarioRun['seconds'];
    const [added] = toColumns({ ...run, seconds }, 2);
    assert.deepEqual([added?.requests, added?.untilSeconds], [2_000, 2]);
    assert.ok((added?.p99Ms ?? 0) < 1.01, `${added?.p99Ms} ms: of 2,000 requests 10 took longer than 1 ms`);
    const [worst] = toColumns({ ...run, seconds: seconds.map(({ histogram: _, ...second }) => second) }, 2);
    assert.equal(worst?.p99Ms, 100);
  });
});

describe('the percentile curve', () => {
  it('goes through the percentiles of the histogram and ends where samples do', () => {
    const histogram = createHistogram();
    for (let n = 1; n <= 100_000; n++) record(histogram, n / 1_000);
    const points = curveOf(decode(encode(histogram)));
    for (const [nines, percentile] of [
      [1, 90],
      [2, 99],
      [3, 99.9],
    ] as const) {
      assert.equal(points.find(([place]) => place === nines)?.[1], percentileMs(histogram, percentile));
    }
    assert.equal(points.at(-1)?.[0], 4);
  });
});

describe('scales', () => {
  it('have round ticks within their ends', () => {
    assert.deepEqual(linear([0, 27], [0, 1]).ticks, [0, 10, 20]);
    assert.deepEqual(linear([0, 0.27], [0, 1]).ticks, [0, 0.1, 0.2]);
    assert.deepEqual(logarithmic([0.9, 40], [0, 1]).ticks, [1, 3, 10, 30]);
    assert.deepEqual(logarithmic([1, 1_000_000], [0, 1]).ticks, [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]);
  });
});

describe('shares', () => {
  it('are never rounded to all or nothing', () => {
    assert.equal(formatShare(99_999, 100_000), '> 99.99 %');
    assert.equal(formatShare(1, 1_000_000), '< 0.01 %');
    assert.equal(formatShare(1, 3), '33.33 %');
    assert.equal(formatShare(0, 0), '–');
  });
});

/** Every text that may be any text, replaced; what has a form keeps it. */
function poison(value: unknown, text: string, key = ''): unknown {
  const formed = ['response', 'service', 'histogram', 'verdict', 'level', 'spanId', 'parentId', 'startedAt'];
  if (typeof value === 'string')
    return formed.includes(key) && value.length > 0 && key !== 'service' ? value : poisonText(value, text, key);
  if (Array.isArray(value)) return value.map((one) => poison(one, text, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poison(one, text, name)]));
}

/** A service's name and an encoded histogram share a key; the histogram is the long one. */
function poisonText(value: string, text: string, key: string): string {
  return key === 'service' && value.startsWith('HIST') ? value : text;
}
