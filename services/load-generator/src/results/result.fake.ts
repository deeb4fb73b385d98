import { createHistogram, encode, record } from './histogram.ts';
import type { Result, Second } from './result.ts';

const latencies = createHistogram();
for (let i = 0; i < 2_000; i += 1) record(latencies, i % 28 === 0 ? 700 + i / 10 : 0.8 + (i % 50) / 25);

const second = (atSeconds: number, more: Partial<Second> = {}): Second => ({
  ...{ atSeconds, requests: 200, errors: 0, p50Ms: 1.2, p90Ms: 2.1, p99Ms: 6.4, p999Ms: null, maxMs: 9.8 },
  ...{ l1: 196, l2: 3, entra: 1, calls: 1, minimumCalls: 1, throttled: 0, stampedes: 0 },
  ...more,
});

const trace = '5b8aa5a2d2c872e8321cf37308d69df2';
const span = { traceId: trace, error: false, events: [], links: [] };

/** A result as small as one can be that has something in every part: made by hand, its figures mean nothing. */
export const sampleResult: Result = {
  version: 1,
  verdict: 'fail',
  context: {
    ...{ commit: '4904f0e', modified: false, command: 'npm run load -- redis-down', startedAt: '2026-11-26T15:40:00Z' },
    ...{ seed: 1, quick: false, target: 'local', generators: 1, versions: { node: 'v24.21.0', redis: '7.0.15' } },
    ...{ cpu: 'a processor', cores: 2, memoryBytes: 8e9, loadAverage: [0.4, 0.3, 0.2] },
  },
  selfTestP99Ms: 934,
  runs: [
    {
      ...{ name: 'redis-down', variant: '', repeat: 1, verdict: 'fail', startedAt: '2026-11-26T15:40:02Z' },
      ...{ durationSeconds: 10, sloMs: 1_000 },
      load: { ratePerSecond: 200, users: 550, brokers: 2, scaled: 'duration 10 of 190 s' },
      validity: {
        ...{ valid: true, reasons: [], offeredPerSecond: 200, achievedPerSecond: 200, lagP99Ms: 0.9 },
        ...{ generatorCpu: 0.12, emulatorCpu: 0.04 },
      },
      checks: [
        { name: 'warm people are served', target: '>= 99 % for 60 s', measured: '100 %', holds: true },
        { name: 'the others are refused in time', target: '503 + Retry-After < 1 s', measured: '1.2 s', holds: false },
      ],
      seconds: Array.from({ length: 10 }, (_, at) =>
        at >= 3 && at < 7
          ? second(at, {
              errors: 18,
              p50Ms: 1.4,
              p90Ms: 700,
              p99Ms: 980,
              maxMs: 1_200,
              l1: 182,
              l2: 0,
              entra: 0,
              calls: 0,
            })
          : second(at, at === 7 ? { calls: 5, stampedes: 1, throttled: 2 } : {}),
      ),
      events: [
        { atSeconds: 3, untilSeconds: 7, kind: 'cut', label: 'Redis cut' },
        { atSeconds: 7.4, kind: 'refresh', label: 'first success' },
      ],
      brokers: [1, 2].map((n) => ({
        name: `token-broker-${n}`,
        seconds: Array.from({ length: 10 }, (_, atSeconds) => ({
          ...{ atSeconds, cpu: 0.1 + atSeconds / 100, eventLoopP99Ms: 11.2, rssBytes: 90e6 + n * 1e6 },
          redisP99Ms: atSeconds >= 3 && atSeconds < 7 ? null : 0.8,
        })),
      })),
      histograms: { response: encode(latencies), service: encode(latencies) },
      levels: [{ level: 'L1', brokers: 2, count: 1_900, p50Ms: 1.1, p90Ms: 2, p99Ms: 6, p999Ms: null, maxMs: 9.8 }],
      errors: [{ type: '503 temporarily_unavailable', count: 72 }],
      totals: {
        ...{ requests: 2_000, errors: 72, l1: 1_904, l2: 18, entra: 6, calls: 10, minimumCalls: 6, throttled: 2 },
        ...{ stampedes: 1, opened: 20, foreign: 0, redisCommands: { HGET: 18, SET: 6 } },
      },
      slowest: [
        {
          ...{ traceId: trace, latencyMs: 1_200, atSeconds: 4.2 },
          spans: [
            {
              ...{ ...span, spanId: '051581bf3cb55c13', name: 'POST /oauth2/token', kind: 'server' },
              ...{ service: 'token-broker', startMs: 1_764_171_600_000, endMs: 1_764_171_601_200 },
              attributes: { 'http.response.status_code': 503, 'onbehalf.grant': 'token_exchange' },
            },
            {
              ...{ ...span, spanId: '5fb397be34d26b51', parentId: '051581bf3cb55c13', name: 'HGET', kind: 'client' },
              ...{ service: 'token-broker', startMs: 1_764_171_600_001, endMs: 1_764_171_600_251, error: true },
              attributes: { 'db.system.name': 'redis', 'error.type': 'timeout' },
            },
          ],
        },
      ],
    },
  ],
};
