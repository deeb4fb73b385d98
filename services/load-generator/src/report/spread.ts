import type { Html } from '@onbehalf/chassis/http/html';
import { formatCount, formatMaybeMs, nameOf } from '../drawing/format.ts';
import { extent } from '../drawing/scale.ts';
import { decode, percentilesOf } from '../results/histogram.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { median } from '../results/statistics.ts';
import { toRepeats } from './repeats.ts';
import { table } from './tables.ts';

/** The middle of several repeats, and how far they lie apart: `6.1 ms (5.9 ms to 7 ms)`. */
export function tellSpread(values: (number | null)[], format: (value: number) => string): string {
  const there = values.filter((value) => value !== null);
  const [low, high] = extent(there) ?? [];
  if (low === undefined || high === undefined || there.length < values.length) return '–';
  return format(low) === format(high) ? format(low) : `${format(median(there))} (${format(low)} to ${format(high)})`;
}

/** How far repeats of the same run lie apart; nothing where none was repeated. */
export function spreadTable({ runs }: Result): Html | undefined {
  const repeated = toRepeats(runs).filter((repeats) => repeats.length > 1);
  if (repeated.length === 0) return undefined;
  const rows = repeated.map((repeats) => {
    const [first] = repeats as [ScenarioRun];
    const latencies = repeats.map(({ histograms }) => percentilesOf(decode(histograms.response)));
    return [
      nameOf({ ...first, repeat: 1 }),
      String(repeats.length),
      ...(['p50Ms', 'p99Ms', 'maxMs'] as const).map((key) =>
        tellSpread(
          latencies.map((one) => one[key]),
          formatMaybeMs,
        ),
      ),
      tellSpread(
        repeats.map(({ totals }) => totals.calls),
        formatCount,
      ),
      tellSpread(
        repeats.map(({ totals }) => totals.errors),
        formatCount,
      ),
    ];
  });
  return table('Spread over repeats', ['Run', 'Repeats', 'p50', 'p99', 'max', 'Calls', 'Errors'], rows);
}
