import { decode, percentilesOf } from '../results/histogram.ts';
import type { BrokerSeries, LoadEvent, ScenarioRun, Second } from '../results/result.ts';
import { addUp, type LoadResults } from '../sending/generators.ts';
import type { Seen } from '../sending/plan.ts';
import type { Act, Load, Observed } from './scenario.ts';
import { judgeValidity } from './validity.ts';
import { decide } from './verdict.ts';

/** How a run is called and what it was to be. */
export type Performing = {
  load: Load;
  repeat: number;
  seed: number;
  /** In words, what is less than the specification says. */
  scaled: string | undefined;
  /** Judges counts alone: no times, and so not the generator's either. */
  quick: boolean;
};

type Reading = Pick<Second, 'l1' | 'l2' | 'entra' | 'calls' | 'throttled' | 'stampedes'>;
const noReading: Reading = { l1: 0, l2: 0, entra: 0, calls: 0, throttled: 0, stampedes: 0 };

/** What was seen from the outside while generators ran; of a broker that is not ours nothing is. */
export type Watched = {
  seconds: ReadonlyMap<number, Reading>;
  totals: Reading;
  brokers: BrokerSeries[];
  events: LoadEvent[];
  redisCommands: Record<string, number>;
  /** Of a core. */
  emulatorCpu: number | null;
  slowest: ScenarioRun['slowest'];
};

export const nothingWatched: Watched = {
  ...{ seconds: new Map(), totals: noReading, brokers: [], events: [], redisCommands: {} },
  ...{ emulatorCpu: null, slowest: [] },
};

/** Puts together what generators and onlookers saw, and judges it by the run's pass lines. */
export async function judge(
  run: { name: string; variant: string; startedAt: string; performing: Performing; act: Act },
  results: LoadResults,
  watched: Watched,
): Promise<ScenarioRun> {
  const { performing, act } = run;
  const load = { ...performing.load, ...act.schedule };
  const { durationSeconds, ratePerSecond, users, brokers } = load;
  const all = addUp(results.kinds);
  const seconds = secondsOf(all, watched.seconds, act, durationSeconds);
  const totals = {
    ...watched.totals,
    requests: decode(all.response).totalCount,
    errors: Object.values(all.errors).reduce((a, b) => a + b, 0),
    minimumCalls: seconds.reduce((sum, { minimumCalls }) => sum + minimumCalls, 0),
    ...{ opened: all.opened, foreign: all.foreign, redisCommands: watched.redisCommands },
  };
  const kinds = Object.fromEntries(results.kinds.map((seen) => [seen.name, seen]));
  const observed: Observed = { load, kinds, all, seconds, totals, brokers: watched.brokers, events: watched.events };
  const checks = await act.checks(observed);
  const judgedValidity = judgeValidity(results, { durationSeconds }, watched.emulatorCpu);
  const validity = act.saturates ? { ...judgedValidity, valid: true, reasons: [] } : judgedValidity;
  const verdict = decide(checks, validity, performing.quick);
  const { name, variant, startedAt } = run;
  return {
    ...{ name, variant, repeat: performing.repeat, verdict, startedAt, durationSeconds },
    load: { ratePerSecond, users, brokers, ...(performing.scaled && { scaled: performing.scaled }) },
    ...(act.sloMs !== undefined && { sloMs: act.sloMs }),
    ...{
      validity,
      checks,
      seconds,
      totals,
      events: watched.events,
      brokers: watched.brokers,
      slowest: watched.slowest,
    },
    histograms: { response: all.response, service: all.service },
    levels: act.level ? [levelRow(act.level, brokers, all)] : [],
    errors: Object.entries(all.errors).map(([type, count]) => ({ type, count })),
  };
}

function secondsOf({ seconds }: Seen, readings: Watched['seconds'], act: Act, durationSeconds: number): Second[] {
  const last = Math.max(durationSeconds - 1, ...readings.keys(), ...seconds.map(({ atSeconds }) => atSeconds));
  const seen = new Map(seconds.map((one) => [one.atSeconds, one]));
  return Array.from({ length: Math.ceil(last) + 1 }, (_, atSeconds) => {
    const { requests = 0, errors = 0, histogram } = seen.get(atSeconds) ?? {};
    const silent = { p50Ms: null, p90Ms: null, p99Ms: null, p999Ms: null, maxMs: null };
    return {
      ...{ atSeconds, requests, errors, ...(histogram ? { ...percentilesOf(decode(histogram)), histogram } : silent) },
      ...(readings.get(atSeconds) ?? noReading),
      minimumCalls: act.minimumCalls(atSeconds),
    };
  });
}

function levelRow(level: ScenarioRun['levels'][number]['level'], brokers: number, { response }: Seen) {
  const histogram = decode(response);
  return { level, brokers, count: histogram.totalCount, ...percentilesOf(histogram) };
}
