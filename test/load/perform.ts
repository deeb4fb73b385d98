import { setTimeout as delay } from 'node:timers/promises';
import { addUp, runPlan, type Sight } from './generators.ts';
import { decode, percentilesOf } from './histogram.ts';
import type { Progress, Seen } from './plan.ts';
import { preflightLocal } from './preflight.ts';
import type { LoadEvent, ScenarioRun, Second, Verdict } from './result.ts';
import { createSampler, redisCommands } from './sampler.ts';
import type { Act, Clock, Load, Observed, Scenario, Variant } from './scenario.ts';
import { openStage, type Stage } from './stage.ts';
import { judgeValidity } from './validity.ts';

/** One request in so many is traced; the slowest are kept. */
const traceEvery = 50;
/** Until brokers have sent their last spans. */
const tracesMs = 1_500;

export type Performing = {
  load: Load;
  repeat: number;
  seed: number;
  scaled: string | undefined;
  /** Judges counts alone: no times, and so not the generator's either. */
  quick: boolean;
  say: (doing: string) => void;
  tell: (progress: Progress) => void;
};

/** Performs the variants of a scenario, each on a stage of its own unless they share one, and judges them. */
export async function* performAll(scenario: Scenario, performing: Performing): AsyncGenerator<ScenarioRun> {
  const { load, say } = performing;
  const variants = scenario.variants(load);
  const open = async ({ stage: options, load: own }: Variant) => {
    const stage = await openStage({ name: scenario.name, ...load, ...own, ...options, say });
    await preflightLocal(stage).catch(async (error) => {
      await stage[Symbol.asyncDispose]();
      throw error;
    });
    return stage;
  };
  const [first] = variants;
  await using shared = scenario.oneStage && first ? await open(first) : undefined;
  for (const variant of variants) {
    await using own = shared ? undefined : await open(variant);
    const stage = shared ?? own;
    if (stage) yield await perform(scenario, variant, { ...performing, load: { ...load, ...variant.load } }, stage);
  }
}

async function perform(
  scenario: Scenario,
  variant: Variant,
  performing: Performing,
  stage: Stage,
): Promise<ScenarioRun> {
  const { load, say, tell } = performing;
  const { brokers, users } = load;
  const act = await variant.prepare(stage, load);
  await stage.admin('DELETE', '/counters');
  const commandsBefore = await redisCommands(stage);
  const sampler = createSampler(stage);
  const events: LoadEvent[] = [];
  const startedAt = new Date().toISOString();
  let meanwhile: Promise<void> | undefined;
  const stopped = new AbortController();
  const schedule = { ...load, ...act.schedule };
  const { durationSeconds, ratePerSecond } = schedule;
  let sampling: AsyncDisposable | undefined;
  let sight: Sight;
  say('running');
  try {
    sight = await runPlan(
      {
        targets: act.targets ?? stage.brokers.map(({ url }) => url),
        schedule: { ...act.schedule, ratePerSecond, durationSeconds, seed: performing.seed },
        ...{ kinds: act.kinds, traceEvery, connections: act.connections ?? 8 },
        ...(act.places && { places: act.places }),
      },
      {
        tell,
        startAtMs: act.startAtMs,
        onStart(startAtMs) {
          sampling = sampler.start(startAtMs);
          meanwhile = act.during?.(createClock(startAtMs, events, stopped.signal));
          // It is awaited below; until then a failure must not end the process.
          meanwhile?.catch(() => {});
        },
      },
    );
    await meanwhile;
  } finally {
    stopped.abort();
    await sampling?.[Symbol.asyncDispose]();
  }
  const commandsAfter = await redisCommands(stage);
  await delay(tracesMs);
  const emulatorCpu = sampler.emulatorCpuSeconds / sight.tookSeconds;
  const validity = judgeValidity(sight, { durationSeconds }, emulatorCpu);
  const all = addUp(sight.kinds);
  const seconds = secondsOf(all, sampler.seconds, act, durationSeconds);
  const observed: Observed = {
    ...{ load: { ...load, ...schedule }, all, seconds, events, brokers: sampler.brokers },
    kinds: Object.fromEntries(sight.kinds.map((seen) => [seen.name, seen])),
    totals: {
      ...sampler.totals,
      requests: decode(all.response).totalCount,
      errors: Object.values(all.errors).reduce((a, b) => a + b, 0),
      minimumCalls: seconds.reduce((sum, { minimumCalls }) => sum + minimumCalls, 0),
      ...{ opened: all.opened, foreign: all.foreign },
      redisCommands: difference(commandsBefore, commandsAfter),
    },
  };
  const checks = await act.checks(observed);
  const judged = checks.filter(({ time }) => !(performing.quick && time));
  const passes = judged.every(({ holds }) => holds);
  // Counts are true however late the requests went out.
  const verdict: Verdict = !validity.valid && !performing.quick ? 'invalid' : passes ? 'pass' : 'fail';
  return {
    ...{ name: scenario.name, variant: variant.name, repeat: performing.repeat, verdict, startedAt, durationSeconds },
    load: { ratePerSecond, users, brokers, ...(performing.scaled && { scaled: performing.scaled }) },
    ...(act.sloMs !== undefined && { sloMs: act.sloMs }),
    ...{ validity, checks, seconds, events, brokers: observed.brokers },
    histograms: { response: all.response, service: all.service },
    levels: act.level ? [levelRow(act.level, brokers, all)] : [],
    errors: Object.entries(all.errors).map(([type, count]) => ({ type, count })),
    totals: observed.totals,
    slowest: slowestOf(stage, sight),
  };
}

function createClock(startAtMs: number, events: LoadEvent[], signal: AbortSignal): Clock {
  const now = () => (Date.now() - startAtMs) / 1_000;
  return {
    at: (seconds) => delay(Math.max(0, startAtMs + seconds * 1_000 - Date.now()), undefined, { signal }),
    now,
    mark(kind, label, fromSeconds) {
      const band = fromSeconds === undefined ? { atSeconds: now() } : { atSeconds: fromSeconds, untilSeconds: now() };
      events.push({ ...band, kind, label });
    },
  };
}

const noReading = { l1: 0, l2: 0, entra: 0, calls: 0, throttled: 0, stampedes: 0 };

function secondsOf(
  { seconds }: Seen,
  readings: ReadonlyMap<number, typeof noReading>,
  act: Act,
  durationSeconds: number,
): Second[] {
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

export function levelRow(level: ScenarioRun['levels'][number]['level'], brokers: number, { response }: Seen) {
  const histogram = decode(response);
  return { level, brokers, count: histogram.totalCount, ...percentilesOf(histogram) };
}

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const grown = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  // Our own looks do not count.
  return Object.fromEntries(grown.filter(([name, count]) => count > 0 && name !== 'INFO'));
}

function slowestOf(stage: Stage, { parts }: Sight): ScenarioRun['slowest'] {
  return parts
    .flatMap(({ slowest }) => slowest)
    .sort((a, b) => b.latencyMs - a.latencyMs)
    .slice(0, 5)
    .map((one) => ({ ...one, spans: stage.viewer.spans(one.traceId) }))
    .filter(({ spans }) => spans.length > 0);
}
