import { percentilesOf, sum } from '../results/histogram.ts';
import type { ScenarioRun, Second } from '../results/result.ts';

/** Some seconds of a run that are drawn as one. */
export type Column = Omit<Second, 'histogram'> & { untilSeconds: number };

/** As many as a 99th percentile needs: ten lie beyond it. */
const samplesForP99 = 1_000;
/** Fewer points are no course any more. */
const leastColumns = 20;

const summed = ['requests', 'errors', 'l1', 'l2', 'entra', 'calls', 'minimumCalls', 'throttled', 'stampedes'] as const;
const worst = ['p50Ms', 'p90Ms', 'p99Ms', 'p999Ms', 'maxMs'] as const;

/**
 * The run in columns of so many seconds. Counts are sums. A percentile is that of the column's own histogram; where the
 * seconds have none it is that of the worst second, since percentiles cannot be averaged.
 */
export function toColumns({ seconds }: ScenarioRun, width: number): Column[] {
  const groups = Map.groupBy(seconds, ({ atSeconds }) => Math.floor(atSeconds / width));
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([place, group]) => ({ ...join(group), atSeconds: place * width, untilSeconds: (place + 1) * width }));
}

/** How many seconds a column takes so that there are at most so many. */
export function widthFor(run: ScenarioRun, atMost: number): number {
  return Math.max(1, Math.ceil(lengthOf(run) / atMost));
}

/** The same for columns of latencies, which need a thousand samples to tell a 99th percentile. */
export function latencyWidthFor(run: ScenarioRun, atMost: number): number {
  const busiest = Math.max(1, ...run.seconds.map(({ requests }) => requests));
  const wanted = Math.ceil(samplesForP99 / busiest);
  const fewest = Math.ceil(lengthOf(run) / leastColumns);
  return Math.max(widthFor(run, atMost), hasHistograms(run.seconds) ? Math.min(wanted, fewest) : 1);
}

/** How long the time axis is: the run, and what came in after it. In seconds. */
export function lengthOf({ durationSeconds, seconds, events }: ScenarioRun): number {
  const ends = [
    ...seconds.map(({ atSeconds }) => atSeconds + 1),
    ...events.map((one) => one.untilSeconds ?? one.atSeconds),
  ];
  return Math.max(1, Math.ceil(durationSeconds), ...ends.map(Math.ceil));
}

function join(seconds: Second[]): Omit<Second, 'histogram'> {
  const [{ histogram: _, ...first }, ...rest] = seconds as [Second, ...Second[]];
  for (const second of rest) {
    for (const key of summed) first[key] += second[key];
    for (const key of worst) first[key] = larger(first[key], second[key]);
  }
  if (rest.length === 0 || !hasHistograms(seconds)) return first;
  return {
    ...first,
    ...percentilesOf(
      sum(
        seconds.flatMap(({ histogram }) => histogram ?? []),
        2,
      ),
    ),
  };
}

const hasHistograms = (seconds: Second[]) => seconds.every(({ requests, histogram }) => requests === 0 || histogram);

function larger(one: number | null, other: number | null): number | null {
  if (one === null) return other;
  return other === null ? one : Math.max(one, other);
}
