import { type Html, html } from '@onbehalf/chassis/http/html';
import type { Column } from '../drawing/columns.ts';
import { formatClock, formatCount, formatMaybeMs, formatShare } from '../drawing/format.ts';
import type { ScenarioRun } from '../results/result.ts';

type Cell = Html | string;

/** A table with its name; the first column heads its rows. Where it is wider than the page, it scrolls by itself. */
export function table(caption: string, head: string[], rows: Cell[][]): Html {
  const body = rows.map(
    ([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  );
  return html`<div class="wide" role="group" tabindex="0" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Latency by where the token came from. */
export function levelsTable({ levels }: ScenarioRun): Html | undefined {
  if (levels.length === 0) return undefined;
  return table(
    'Latency by where the token came from',
    ['Level', 'Brokers', 'Requests', 'p50', 'p90', 'p99', 'p99.9', 'max'],
    levels.map(({ level, brokers, count, p50Ms, p90Ms, p99Ms, p999Ms, maxMs }) => [
      level,
      formatCount(brokers),
      formatCount(count),
      ...[p50Ms, p90Ms, p99Ms, p999Ms, maxMs].map(formatMaybeMs),
    ]),
  );
}

/** What was counted over the whole run. */
export function totalsTable({ totals }: ScenarioRun): Html {
  const { requests, errors, l1, l2, entra, calls, minimumCalls, throttled, stampedes, opened, foreign } = totals;
  const tokens = l1 + l2 + entra;
  return table(
    'Counts of the whole run',
    ['What', 'Count', 'Share'],
    [
      ['requests', formatCount(requests), ''],
      ['errors', formatCount(errors), formatShare(errors, requests)],
      ['tokens from L1', formatCount(l1), formatShare(l1, tokens)],
      ['tokens from L2', formatCount(l2), formatShare(l2, tokens)],
      ['tokens from Entra', formatCount(entra), formatShare(entra, tokens)],
      [
        'calls to Entra',
        formatCount(calls),
        `${formatCount(requests === 0 ? 0 : (calls / requests) * 10_000)} per 10,000 requests`,
      ],
      ['calls at least needed', formatCount(minimumCalls), ''],
      ['calls answered 429', formatCount(throttled), formatShare(throttled, calls)],
      ['tokens bought twice', formatCount(stampedes), ''],
      ['tokens opened', formatCount(opened), formatShare(opened, requests)],
      ['of another person', formatCount(foreign), ''],
    ],
  );
}

/** Errors by their `error.type`. */
export function errorsTable({ errors, totals }: ScenarioRun): Html | undefined {
  if (errors.length === 0) return undefined;
  const rows = errors.map(({ type, count }) => [type, formatCount(count), formatShare(count, totals.requests)]);
  return table('Errors', ['error.type', 'Count', 'Of requests'], rows);
}

/** What Redis was asked. */
export function redisTable({ totals }: ScenarioRun): Html | undefined {
  const commands = Object.entries(totals.redisCommands).sort(([, a], [, b]) => b - a);
  if (commands.length === 0) return undefined;
  const rows = commands.map(([name, count]) => [
    name,
    formatCount(count),
    formatCount((count / Math.max(1, totals.requests)) * 1_000),
  ]);
  return table('Commands at Redis', ['Command', 'Count', 'Per 1,000 requests'], rows);
}

/** The numbers of the drawing over time. */
export function columnsTable(columns: Column[]): Html {
  return table(
    'Over time',
    [
      'From',
      'Requests',
      'Errors',
      'p50',
      'p90',
      'p99',
      'p99.9',
      'max',
      'L1',
      'L2',
      'Entra',
      'Calls',
      'Minimum',
      '429',
      'Twice',
    ],
    columns.map((one) => [
      formatClock(one.atSeconds),
      ...[one.requests, one.errors].map(formatCount),
      ...[one.p50Ms, one.p90Ms, one.p99Ms, one.p999Ms, one.maxMs].map(formatMaybeMs),
      ...[one.l1, one.l2, one.entra, one.calls, one.minimumCalls, one.throttled, one.stampedes].map(formatCount),
    ]),
  );
}
