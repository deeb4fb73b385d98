import { readSpans } from '../../../trace-viewer/src/otlp/otlp.ts';
import { sampleFlow } from '../../../trace-viewer/src/sample-flow.ts';
import { createHistogram, encode, percentilesOf, record } from '../results/histogram.ts';
import { sampleResult } from '../results/result.fake.ts';
import type { LoadEvent, Result, ScenarioRun, Second } from '../results/result.ts';

/** How a made-up run goes: what each second is like, on top of an even load. */
type Course = {
  name: string;
  seconds: number;
  rate: number;
  sloMs?: number;
  events: LoadEvent[];
  at(second: number): {
    entra?: number;
    l2?: number;
    slowMs?: number;
    errors?: number;
    throttled?: number;
    stampedes?: number;
  };
};

const courses: Course[] = [
  {
    ...{ name: 'wave', seconds: 300, rate: 400, sloMs: 280 },
    events: [
      { atSeconds: 120, untilSeconds: 186, kind: 'wave', label: 'every token reaches its margin' },
      { atSeconds: 196, kind: 'refresh', label: 'refreshed' },
    ],
    at: (second) => (second >= 120 && second < 186 ? { entra: 30, l2: 8, slowMs: 210 } : { l2: 2 }),
  },
  {
    ...{ name: 'redis-down', seconds: 200, rate: 200, sloMs: 1_000 },
    events: [
      { atSeconds: 30, untilSeconds: 70, kind: 'cut', label: 'Redis cut' },
      { atSeconds: 90, untilSeconds: 130, kind: 'frozen', label: 'Redis frozen' },
      { atSeconds: 150, kind: 'restart', label: 'Redis restarted' },
    ],
    at: (second) => {
      if (second >= 30 && second < 70) return { errors: 20, slowMs: 4 };
      return second >= 90 && second < 130 ? { errors: 20, slowMs: 700 } : { l2: 6, entra: second % 9 === 0 ? 2 : 0 };
    },
  },
  {
    ...{ name: 'throttle', seconds: 200, rate: 200, sloMs: 50 },
    events: [{ atSeconds: 30, untilSeconds: 150, kind: 'throttle', label: 'Entra answers 429, Retry-After: 30' }],
    at: (second) => {
      if (second < 30 || second >= 150) return { l2: 3, entra: 3, slowMs: 180 };
      return second % 30 === 0
        ? { errors: 60, throttled: 14, entra: 0, stampedes: second === 90 ? 1 : 0 }
        : { errors: 60 };
    },
  },
];

/** A result with long and troubled runs, as a drawing meets them; every figure is made up, and the same each time. */
export function troubledResult(repeats = 1): Result {
  const runs = Array.from({ length: repeats }, (_, n) => courses.map((course) => toRun(course, n + 1))).flat();
  return { ...sampleResult, verdict: 'fail', runs, bench };
}

function toRun({ name, seconds: length, rate, sloMs, events, at }: Course, repeat: number): ScenarioRun {
  const [sample] = sampleResult.runs as [ScenarioRun];
  const random = noise(repeat);
  const whole = createHistogram();
  const service = createHistogram();
  const seconds = Array.from({ length }, (_, atSeconds): Second => {
    const { entra = 0, l2 = 0, slowMs = 0, errors = 0, throttled = 0, stampedes = 0 } = at(atSeconds);
    const own = createHistogram(2);
    for (let n = 0; n < rate; n++) {
      const ms = 0.6 + random() ** 4 * 6 + (n < entra + errors ? slowMs * (0.85 + 0.3 * random()) : 0);
      for (const histogram of [own, whole]) record(histogram, ms + 0.2 * random());
      record(service, ms);
    }
    return {
      ...{
        atSeconds,
        requests: rate,
        errors,
        ...percentilesOf(own),
        histogram: encode(own),
        l1: rate - entra - l2 - errors,
        l2,
        entra,
      },
      ...{ calls: entra + throttled + stampedes, minimumCalls: entra, throttled, stampedes },
    };
  });
  const sum = (key: 'errors' | 'l1' | 'l2' | 'entra' | 'calls' | 'minimumCalls' | 'throttled' | 'stampedes') =>
    seconds.reduce((total, second) => total + second[key], 0);
  const counts = { errors: sum('errors'), l1: sum('l1'), l2: sum('l2'), entra: sum('entra'), calls: sum('calls') };
  const foul = sum('stampedes') > 0;
  return {
    ...sample,
    ...{ name, repeat, seconds, events, durationSeconds: length, verdict: foul ? 'fail' : 'pass' },
    ...(sloMs !== undefined && { sloMs }),
    load: { ratePerSecond: rate, users: 2_000, brokers: 3 },
    checks: [
      { name: 'no call is made twice', target: '0', measured: String(sum('stampedes')), holds: !foul },
      { name: 'a request is answered in time', target: `p99 <= ${sloMs} ms`, measured: '212 ms', holds: true },
    ],
    brokers: [1, 2, 3].map((n) => ({
      name: `token-broker-${n}`,
      seconds: seconds.map(({ atSeconds, errors }) => ({
        ...{
          atSeconds,
          cpu: 0.12 + 0.05 * random(),
          eventLoopP99Ms: 10.5 + random(),
          rssBytes: 88e6 + atSeconds * 2e4,
        },
        redisP99Ms: errors > 0 ? null : 0.7 + 0.4 * random(),
      })),
    })),
    histograms: { response: encode(whole), service: encode(service) },
    levels: (['L1', 'L2', 'wait', 'Entra'] as const).map((level, n) => ({
      ...{ level, brokers: 3, count: 4_000 / 10 ** n, ...percentilesOf(whole), p999Ms: null },
    })),
    errors: counts.errors > 0 ? [{ type: '503 temporarily_unavailable', count: counts.errors }] : [],
    totals: {
      ...{ ...sample.totals, requests: rate * length, ...counts, minimumCalls: sum('minimumCalls') },
      ...{ throttled: sum('throttled'), stampedes: sum('stampedes'), opened: (rate * length) / 100 },
    },
    slowest: Array.from({ length: 5 }, (_, n) => {
      const { traceId, body } = sampleFlow(n % 2 === 0 ? 'signIn' : 'throttled', `${name}-${n}`, 1_764_171_600_000);
      return { traceId, latencyMs: 900 / (n + 1), atSeconds: 40 + n, spans: readSpans(body) };
    }),
  };
}

const slices = (cpuUs: number) =>
  Array.from({ length: 14 }, (_, n) => ({
    ...{ requests: 20_000, failed: 0, cpuUsPerRequest: cpuUs * (0.96 + ((n * 7) % 14) / 160), p50Ms: 1, p99Ms: 4 },
  }));

const bench: NonNullable<Result['bench']> = {
  node: 'v24.21.0',
  rows: [
    {
      name: 'L1 hit over HTTP',
      target: '1',
      limit: 1.5,
      value: 1.21,
      low: 1.18,
      high: 1.24,
      note: 'beside bare Express',
    },
    { name: 'stock / L1', target: '2', limit: -7, value: 6.9, low: 6.8, high: 7.4, note: '' },
  ],
  slices: {
    ...{
      'hello-node': slices(24),
      'hello-express': slices(41),
      'broker L1': slices(49),
      'broker L1, traced': slices(104),
    },
    ...{ stock: slices(446), 'stock, no caller check': slices(318) },
  },
};

/** Numbers between 0 and 1 that are the same in each process: Park and Miller's minimal standard generator. */
function noise(seed: number): () => number {
  let state = seed * 7_919;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
