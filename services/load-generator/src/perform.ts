import { setTimeout as delay } from 'node:timers/promises';
import { judge, nothingWatched, type Performing } from './judging/judging.ts';
import type { Act, Clock, Scenario, Variant } from './judging/scenario.ts';
import { remoteChecks } from './judging/verdict.ts';
import type { LoadEvent, ScenarioRun } from './results/result.ts';
import { redisCommands, Sampler } from './sampling/sampler.ts';
import { type LoadResults, runPlan, traceEvery } from './sending/generators.ts';
import type { PlanInput, Progress } from './sending/plan.ts';
import { preflightLocal } from './target/preflight.ts';
import type { Pod, Remote } from './target/remote.ts';
import { Unsafe } from './target/safety.ts';
import { type OpenStage, type Stage, spansMs } from './target/stage.ts';

/** Until brokers have sent their last spans: three times what they wait for more. */
const tracesMs = 3 * spansMs;
const connectionsToEach = 8;

export type ConsoleOutput = { say: (doing: string) => void; tell: (progress: Progress) => void };

/** Performs the variants of a scenario, each on a stage of its own unless they share one, and judges them. */
export async function* performAll(
  scenario: Scenario,
  performing: Performing,
  output: ConsoleOutput,
  openStage: OpenStage,
): AsyncGenerator<ScenarioRun> {
  const { load } = performing;
  const variants = scenario.variants(load);
  const open = async ({ stage: options, load: own }: Variant) => {
    const stage = await openStage({ name: scenario.name, ...load, ...own, ...options, say: output.say });
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
    const its = { ...performing, load: { ...load, ...variant.load } };
    if (stage) yield await perform(scenario, variant, its, output, stage);
  }
}

async function perform(
  { name }: Scenario,
  variant: Variant,
  performing: Performing,
  { say, tell }: ConsoleOutput,
  stage: Stage,
): Promise<ScenarioRun> {
  const act = await variant.prepare(stage, performing.load);
  await stage.admin('DELETE', '/counters');
  const commandsBefore = await redisCommands(stage);
  const sampler = new Sampler(stage);
  const events: LoadEvent[] = [];
  const startedAt = new Date().toISOString();
  const stopped = new AbortController();
  let meanwhile: Promise<void> | undefined;
  let sampling: AsyncDisposable | undefined;
  let results: LoadResults;
  say('running');
  try {
    results = await runPlan(planOf(act, performing, act.targets ?? stage.brokers.map(({ url }) => url)), {
      tell,
      startAtMs: act.startAtMs,
      onStart(startAtMs) {
        sampling = sampler.start(startAtMs);
        meanwhile = act.during?.(createClock(startAtMs, events, stopped.signal));
        // It is awaited below; until then a failure must not end the process.
        meanwhile?.catch(() => {});
      },
    });
    await meanwhile;
  } finally {
    stopped.abort();
    await sampling?.[Symbol.asyncDispose]();
  }
  const commandsAfter = await redisCommands(stage);
  await delay(tracesMs);
  const { seconds, totals, brokers } = sampler;
  return await judge({ name, variant: variant.name, startedAt, performing, act }, results, {
    ...{ seconds, totals, brokers, events, redisCommands: difference(commandsBefore, commandsAfter) },
    emulatorCpu: sampler.emulatorCpuSeconds / results.tookSeconds,
    slowest: slowestOf(stage, results),
  });
}

/** Several generators, which do not know of one another, begin with the next full half minute. */
const startEveryMs = 30_000;
/** Until a generator process is ready. */
const readyMs = 5_000;
const nextStartMs = (nowMs: number) => Math.ceil((nowMs + readyMs) / startEveryMs) * startEveryMs;

/** Loads a broker that runs already with one pod's share of the people and of the requests. */
export async function performRemote(
  { name, remote: how }: Scenario,
  remote: Remote,
  { index, of, ...options }: Pod & { startAtMs: number | undefined; replicas: number | undefined },
  performing: Performing,
  { say, tell }: ConsoleOutput,
): Promise<ScenarioRun> {
  if (!how) throw new Unsafe(`The scenario ${name} has to start what it loads: leave out --url.`);
  const { load } = performing;
  const own = { ...load, ratePerSecond: load.ratePerSecond / of, users: Math.floor(load.users / of) };
  const kind = await remote.people(own.users, 1 + index * own.users, say);
  const knowsPeople = !how.foreign || kind.people.some(({ oid }) => oid !== undefined);
  if (how.warm) say('fetching first tokens');
  if (how.warm) await remote.warm(kind, load.brokers * 2);
  const act: Act = {
    ...{
      kinds: [kind],
      minimumCalls: () => 0,
      sloMs: how.sloMs,
      ...(!how.foreign && { level: how.warm ? 'L1' : 'Entra' }),
    },
    checks: ({ all, totals }) => remoteChecks(all.response, totals, how.sloMs, knowsPeople),
  };
  const startAtMs = options.startAtMs ?? (of > 1 ? nextStartMs(Date.now()) : undefined);
  if (startAtMs !== undefined) say(`waiting until ${new Date(startAtMs).toISOString()} to start with the others`);
  const startedAt = new Date().toISOString();
  say('running');
  // The file of an endpoint may have fewer people than were asked for.
  const its = { ...performing, load: { ...own, users: kind.people.length } };
  const results = await runPlan(planOf(act, its, [remote.url]), { tell, startAtMs });
  const run = await judge({ name, variant: '', startedAt, performing: its, act }, results, nothingWatched);
  // Behind a Service nobody can count them.
  const brokers = options.replicas ?? 0;
  return { ...run, load: { ...run.load, brokers }, pod: { index, of, startAtMs: results.startAtMs ?? 0 } };
}

function planOf(act: Act, { load, seed }: Performing, targets: string[]): PlanInput {
  const { ratePerSecond, durationSeconds } = { ...load, ...act.schedule };
  return {
    ...{ targets, schedule: { ...act.schedule, ratePerSecond, durationSeconds, seed }, kinds: act.kinds, traceEvery },
    ...{ connections: act.connections ?? connectionsToEach, ...(act.places && { places: act.places }) },
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

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const grown = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  // Our own looks do not count.
  return Object.fromEntries(grown.filter(([name, count]) => count > 0 && name !== 'INFO'));
}

function slowestOf(stage: Stage, { parts }: LoadResults): ScenarioRun['slowest'] {
  return parts
    .flatMap(({ slowest }) => slowest)
    .sort((a, b) => b.latencyMs - a.latencyMs)
    .slice(0, 5)
    .map((one) => ({ ...one, spans: stage.spans(one.traceId) }))
    .filter(({ spans }) => spans.length > 0);
}
