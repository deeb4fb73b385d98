import { decode, encode, percentilesOf, sum } from '../results/histogram.ts';
import { type Result, type ScenarioRun, type Second, worstOf } from '../results/result.ts';
import { Unsafe } from '../target/safety.ts';
import { foreignName } from './checks.ts';
import { judgeFigures } from './validity.ts';
import { decide, remoteChecks } from './verdict.ts';

/** Adds the results of generators that each sent their share of the same runs. @throws Unsafe if they are not that. */
export function merge(results: readonly Result[]): Result {
  const [first] = results;
  if (!first) throw new Unsafe('--merge takes the result files of the pods.');
  if (results.some(({ runs }) => runs.map(nameOf).join() !== first.runs.map(nameOf).join()))
    throw new Unsafe('These results are not of the same runs.');
  const { quick } = first.context;
  const runs = first.runs.map((_, i) => {
    const shares = results.flatMap(({ runs: all }) => all[i] ?? []);
    requireShares(shares);
    return mergeRuns(shares, quick);
  });
  return {
    ...first,
    ...{ verdict: worstOf(runs.map(({ verdict }) => verdict)), runs },
    selfTestP99Ms: Math.min(...results.map(({ selfTestP99Ms }) => selfTestP99Ms)),
    context: { ...first.context, generators: results.reduce((total, { context }) => total + context.generators, 0) },
  };
}

const nameOf = ({ name, variant, repeat }: ScenarioRun) => `${name} ${variant} ${repeat}`;
const total = <T>(all: readonly T[], of: (one: T) => number) => all.reduce((so, one) => so + of(one), 0);

/** What is counted, in each second and in all. */
const counted = ['requests', 'errors', 'l1', 'l2', 'entra', 'calls', 'minimumCalls', 'throttled', 'stampedes'] as const;

/** Clocks of a cluster agree better. */
const sameMomentMs = 1_000;

/** @throws Unsafe unless these are the shares of one run, each there once, that began together. */
function requireShares(runs: readonly ScenarioRun[]): void {
  const pods = runs.flatMap(({ pod }) => pod ?? []);
  if (pods.length < runs.length) throw new Unsafe('A result does not say which share it is and when it began.');
  const of = pods[0]?.of ?? 0;
  const shares = pods.map(({ index }) => index).sort((a, b) => a - b);
  if (pods.some((pod) => pod.of !== of) || shares.join() !== Array.from({ length: of }, (_, i) => i).join())
    throw new Unsafe(`These are the shares ${shares.join(', ')} of ${of}: each has to be there once.`);
  const starts = pods.map(({ startAtMs }) => startAtMs);
  const apartMs = Math.max(...starts) - Math.min(...starts);
  if (apartMs > sameMomentMs)
    throw new Unsafe(
      `These generators began ${(apartMs / 1_000).toFixed(1)} s apart: what they sent did not come at once, so it does not add up.`,
    );
}

function mergeRuns(runs: ScenarioRun[], quick: boolean): ScenarioRun {
  const [first] = runs;
  if (!first) throw new Unsafe('A result holds no run.');
  const response = encode(sum(runs.map(({ histograms }) => histograms.response)));
  const service = encode(sum(runs.map(({ histograms }) => histograms.service)));
  const types = [...new Set(runs.flatMap(({ errors }) => errors.map(({ type }) => type)))];
  const most = (of: (run: ScenarioRun) => number | null) => Math.max(...runs.map((run) => of(run) ?? 0));
  const keys = [...counted, 'opened', 'foreign'] as const;
  const totals = {
    ...first.totals,
    ...Object.fromEntries(keys.map((key) => [key, total(runs, (run) => run.totals[key])])),
  };
  const figures = {
    offeredPerSecond: total(runs, ({ validity }) => validity.offeredPerSecond),
    achievedPerSecond: total(runs, ({ validity }) => validity.achievedPerSecond),
    lagP99Ms: most(({ validity }) => validity.lagP99Ms),
    generatorCpu: most(({ validity }) => validity.generatorCpu),
    emulatorCpu: first.validity.emulatorCpu,
    cpuPressure: most(({ validity }) => validity.cpuPressure ?? null),
  };
  const validity = judgeFigures(figures, first.durationSeconds);
  const knowsPeople = runs.some(({ checks }) => checks.some(({ name }) => name === foreignName));
  const checks = remoteChecks(response, totals, first.sloMs ?? 0, knowsPeople);
  const { pod: _, ...whole } = first;
  return {
    ...whole,
    ...{ verdict: decide(checks, validity, quick), validity, checks, totals },
    load: {
      ...first.load,
      ratePerSecond: total(runs, ({ load }) => load.ratePerSecond),
      users: total(runs, ({ load }) => load.users),
    },
    histograms: { response, service },
    levels: first.levels.map((row) => ({
      ...row,
      ...percentilesOf(decode(response)),
      count: decode(response).totalCount,
    })),
    errors: types.map((type) => ({
      type,
      count: total(runs, ({ errors }) => errors.find((e) => e.type === type)?.count ?? 0),
    })),
    seconds: mergeSeconds(runs),
    slowest: runs
      .flatMap(({ slowest }) => slowest)
      .sort((a, b) => b.latencyMs - a.latencyMs)
      .slice(0, 5),
  };
}

function mergeSeconds(runs: readonly ScenarioRun[]): Second[] {
  const last = Math.max(...runs.map(({ seconds }) => seconds.length));
  return Array.from({ length: last }, (_, atSeconds) => {
    const these = runs.flatMap(({ seconds }) => seconds[atSeconds] ?? []);
    const histogram = sum(
      these.flatMap((one) => one.histogram ?? []),
      2,
    );
    const counts = Object.fromEntries(counted.map((key) => [key, total(these, (one) => one[key])]));
    return {
      atSeconds,
      ...percentilesOf(histogram),
      histogram: encode(histogram),
      ...(counts as Record<(typeof counted)[number], number>),
    };
  });
}
