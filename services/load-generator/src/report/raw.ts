import { nameOf } from '../drawing/format.ts';
import type { Result, ScenarioRun, Second } from '../results/result.ts';

const columns = [
  ...['atSeconds', 'requests', 'errors', 'p50Ms', 'p90Ms', 'p99Ms', 'p999Ms', 'maxMs'],
  ...['l1', 'l2', 'entra', 'calls', 'minimumCalls', 'throttled', 'stampedes'],
] as (keyof Second)[];

/** Every second of every run as CSV, RFC 4180: a spreadsheet opens it. */
export function toCsv({ runs }: Result): string {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const rows = runs.flatMap((run) =>
    run.seconds.map((second) =>
      [quoted(run.name), quoted(run.variant), run.repeat, ...columns.map((name) => second[name] ?? '')].join(','),
    ),
  );
  return `${[`scenario,variant,repeat,${columns.join(',')}`, ...rows].join('\r\n')}\r\n`;
}

/**
 * The latencies of a run, second by second, as an HdrHistogram log (version 1.2): any HDR tool reads, adds and draws it.
 * Values are microseconds, the maximum of an interval milliseconds.
 */
export function toHlog({ startedAt, seconds }: ScenarioRun): string {
  const startSeconds = Date.parse(startedAt) / 1_000;
  const rows = seconds.flatMap(({ atSeconds, maxMs, histogram }) =>
    histogram ? [`${atSeconds.toFixed(3)},1.000,${(maxMs ?? 0).toFixed(3)},${histogram}`] : [],
  );
  return [
    '#[Histogram log format version 1.2]',
    `#[StartTime: ${startSeconds.toFixed(3)} (seconds since epoch), ${startedAt}]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ...rows,
    '',
  ].join('\n');
}

/** The file name of a run's log: `stampede-token-exchange-Entra-0.5-s.hlog`. */
export function hlogName(run: ScenarioRun): string {
  return `${nameOf(run)
    .replace(/[^\w.]+/g, '-')
    .replace(/^-|-$/g, '')}.hlog`;
}
