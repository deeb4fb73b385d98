import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs, round } from '@onbehalf/trace-viewer/draw/svg';
import type { ScenarioRun } from '../results/result.ts';
import type { Column } from './columns.ts';
import { formatCount } from './format.ts';
import { boxesPath, endLabels, type Key, label, linePath, type Plot, verticalAxis } from './plot.ts';
import { extent, linear, logarithmic, type Scale } from './scale.ts';

/** One row of the figure over time. */
export type Panel = { title: string; height: number; keys: Key[]; draw(plot: Plot, x: Scale): Html | Html[] };

export const lines = [
  { key: 'maxMs', name: 'max', mark: 'max' },
  { key: 'p50Ms', name: 'p50', mark: 'p50' },
  { key: 'p90Ms', name: 'p90', mark: 'p90' },
  { key: 'p99Ms', name: 'p99', mark: 'p99' },
  { key: 'p999Ms', name: 'p99.9', mark: 'p999' },
] as const;

const levels = [
  { key: 'l1', name: 'L1', mark: 'l1' },
  { key: 'l2', name: 'L2', mark: 'l2' },
  { key: 'entra', name: 'Entra', mark: 'entra' },
] as const;

const middleOf = ({ atSeconds, untilSeconds }: Column) => (atSeconds + untilSeconds) / 2;

/** Bars that are wide enough stand apart. */
function edges({ atSeconds, untilSeconds }: Pick<Column, 'atSeconds' | 'untilSeconds'>, x: Scale) {
  const [from, to] = [x(atSeconds), x(untilSeconds)];
  return { from, to: to - from > 12 ? to - 1.5 : to };
}

/** The scale of a panel of latencies: from a little under the fastest to a little over the slowest. Milliseconds. */
export function latencyScale(columns: Column[], sloMs: number | undefined, { top, bottom }: Plot): Scale {
  const shown = columns.flatMap((column) => lines.map(({ key }) => column[key]));
  const [low, high] = extent([...shown, sloMs]) ?? [1, 10];
  return logarithmic([Math.max(0.01, low / 1.25), Math.max(high * 1.6, low * 4)], [bottom, top]);
}

/** Percentiles over time on a logarithmic scale, and the line they are held against. */
export function latencyPanel({ sloMs }: ScenarioRun, columns: Column[]): Panel {
  return {
    title: 'Latency from the intended send',
    height: 230,
    keys: [],
    draw(plot, x) {
      const y = latencyScale(columns, sloMs, plot);
      const ends = lines.flatMap(({ key, name, mark }) => {
        const last = columns.findLast((column) => column[key] !== null)?.[key];
        return typeof last === 'number' ? [{ y: y(last), text: name, name: mark }] : [];
      });
      return [
        ...verticalAxis(plot, y, formatMs),
        sloMs === undefined
          ? html``
          : html`<path class="slo" d="M${plot.left} ${round(y(sloMs))}H${plot.right}"/>${label(plot.left + 6, y(sloMs) + 14, `limit ${formatMs(sloMs)}`, 'slo-label')}`,
        ...lines.map(({ key, mark }) => {
          const points = columns.map((column): [number, number | null] => {
            const ms = column[key];
            return [x(middleOf(column)), ms === null ? null : y(ms)];
          });
          return html`<path class="series ${mark}" d="${linePath(points)}"/>`;
        }),
        ...endLabels(plot.right, [plot.top, plot.bottom], ends),
      ];
    },
  };
}

/** Which part of the tokens each level gave, stacked to 100 %. */
export function sourcesPanel(columns: Column[]): Panel {
  return {
    title: 'Where tokens came from',
    height: 110,
    keys: levels.map(({ name, mark }) => ({ name, mark })),
    draw(plot, x) {
      const y = linear([0, 100], [plot.bottom, plot.top], 2);
      const boxes = levels.map(({ key, mark }, place) => {
        const below = levels.slice(0, place);
        const path = columns.flatMap((column) => {
          const all = column.l1 + column.l2 + column.entra;
          if (all === 0) return [];
          const from = (below.reduce((sum, level) => sum + column[level.key], 0) / all) * 100;
          const to = from + (column[key] / all) * 100;
          return [{ from: x(column.atSeconds), to: x(column.untilSeconds), top: y(to), bottom: y(from) }];
        });
        return html`<path class="fill ${mark}" d="${boxesPath(path)}"/>`;
      });
      return [...verticalAxis(plot, y, (value) => `${value} %`), ...boxes];
    },
  };
}

/** Calls to Entra a second, against the least there must have been. */
export function callsPanel(columns: Column[]): Panel {
  const rate = (value: number, { atSeconds, untilSeconds }: Column) => value / (untilSeconds - atSeconds);
  return {
    title: 'Calls to Entra a second',
    height: 110,
    keys: [
      { name: 'calls', mark: 'calls' },
      { name: 'theoretical minimum', mark: 'minimum' },
      ...(columns.some(({ throttled }) => throttled > 0) ? [{ name: 'answered 429', mark: 'throttled' }] : []),
      ...(columns.some(({ stampedes }) => stampedes > 0) ? [{ name: 'bought twice', mark: 'stampeded' }] : []),
    ],
    draw(plot, x) {
      const most = Math.max(1, ...columns.map((one) => Math.max(rate(one.calls, one), rate(one.minimumCalls, one))));
      const y = linear([0, most * 1.15], [plot.bottom, plot.top], 3);
      const boxes = columns.map((one) => ({
        ...edges(one, x),
        ...{ top: y(rate(one.calls, one)), bottom: plot.bottom },
      }));
      const steps = columns.flatMap((one): [number, number][] => {
        const height = y(rate(one.minimumCalls, one));
        return [
          [x(one.atSeconds), height],
          [x(one.untilSeconds), height],
        ];
      });
      const marks = (key: 'throttled' | 'stampedes', path: (at: number) => string) =>
        columns
          .filter((one) => one[key] > 0)
          .map((one) => path(x(middleOf(one))))
          .join('');
      return [
        ...verticalAxis(plot, y, formatCount),
        html`<path class="fill calls" d="${boxesPath(boxes)}"/><path class="series minimum" d="${linePath(steps)}"/>`,
        html`<path class="series throttled" d="${marks('throttled', (at) => `M${round(at)} ${plot.top}v9`)}"/>`,
        html`<path class="stampeded" d="${marks('stampedes', (at) => `M${round(at)} ${plot.top + 12}l5 6-5 6-5-6z`)}"/>`,
      ];
    },
  };
}

/** Requests a second that were not answered as asked; only where there are any. */
export function errorsPanel(columns: Column[]): Panel[] {
  const most = Math.max(...columns.map(({ errors, atSeconds, untilSeconds }) => errors / (untilSeconds - atSeconds)));
  if (!(most > 0)) return [];
  return [
    {
      title: 'Errors a second',
      height: 60,
      keys: [],
      draw(plot, x) {
        const y = linear([0, most * 1.1], [plot.bottom, plot.top], 2);
        const boxes = columns.map(({ errors, atSeconds, untilSeconds }) => ({
          ...edges({ atSeconds, untilSeconds }, x),
          ...{ top: y(errors / (untilSeconds - atSeconds)), bottom: plot.bottom },
        }));
        return [...verticalAxis(plot, y, formatCount), html`<path class="fill errors" d="${boxesPath(boxes)}"/>`];
      },
    },
  ];
}
