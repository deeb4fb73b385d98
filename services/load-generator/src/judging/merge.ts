import { decode, encode, percentilesOf, sum } from '../results/histogram.ts';
import { type Result, type ScenarioRun, type Second, worstOf } from '../results/result.ts';
import { Unsafe } from '../target/safety.ts';

/** Adds the results of generators that each sent their share of the same runs. @throws Unsafe if they are not that. */
export function merge(results: readonly Result[]): Result {
  const [first] = results;
  if (!first) throw new Unsafe('--merge takes the result files of the pods.');
  if (results.some(({ runs }) => runs.map(nameOf).join() !== first.runs.map(nameOf).join()))
    throw new Unsafe('These results are not of the same runs.');
  const runs = first.runs.map((_, i) => mergeRuns(results.flatMap(({ runs: [...all] }) => all[i] ?? [])));
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

function mergeRuns(runs: ScenarioRun[]): ScenarioRun {
  const [first] = runs;
  if (!first) throw new Unsafe('A result holds no run.');
  const response = encode(sum(runs.map(({ histograms }) => histograms.response)));
  const service = encode(sum(runs.map(({ histograms }) => histograms.service)));
  const types = [...new Set(runs.flatMap(({ errors }) => errors.map(({ type }) => type)))];
  const most = (of: (run: ScenarioRun) => number | null) => Math.max(...runs.map((run) => of(run) ?? 0));
  const keys = [...counted, 'opened', 'foreign'] as const;
  return {
    ...first,
    verdict: worstOf(runs.map(({ verdict }) => verdict)),
    load: { ...first.load, ratePerSecond: total(runs, ({ load }) => load.ratePerSecond) },
    validity: {
      valid: runs.every(({ validity }) => validity.valid),
      reasons: runs.flatMap(({ validity }) => validity.reasons),
      offeredPerSecond: total(runs, ({ validity }) => validity.offeredPerSecond),
      achievedPerSecond: total(runs, ({ validity }) => validity.achievedPerSecond),
      lagP99Ms: most(({ validity }) => validity.lagP99Ms),
      generatorCpu: most(({ validity }) => validity.generatorCpu),
      emulatorCpu: first.validity.emulatorCpu,
    },
    // What a pod could see of the whole: a pass line holds if it held for every share.
    checks: first.checks.map(
      (check, i) => runs.map(({ checks }) => checks[i]).find((one) => one && !one.holds) ?? check,
    ),
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
    totals: {
      ...first.totals,
      ...Object.fromEntries(keys.map((key) => [key, total(runs, ({ totals }) => totals[key])])),
    },
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
