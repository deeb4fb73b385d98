import { type Html, html } from '@onbehalf/chassis/http/html';
import { round } from '@onbehalf/trace-viewer/draw/svg';
import { formatCount } from '../drawing/format.ts';
import { figure, label } from '../drawing/plot.ts';
import { linear } from '../drawing/scale.ts';
import type { Result } from '../results/result.ts';
import { spread } from '../results/statistics.ts';
import { table } from './tables.ts';

type Bench = NonNullable<Result['bench']>;

const frame = { width: 1_000, left: 210, right: 850, row: 34, top: 12 };
const bar = 14;

/** CPU of a request to each server: the median of its slices as a bar, the middle half of them as a whisker. */
export function drawCost(id: string, { slices }: Bench): Html {
  const rows = Object.entries(slices).map(([name, all]) => {
    return { name, ...spread(all.map(({ cpuUsPerRequest }) => cpuUsPerRequest)) };
  });
  const x = linear([0, Math.max(1, ...rows.map(({ high }) => high)) * 1.02], [frame.left, frame.right], 6);
  const bottom = frame.top + rows.length * frame.row;
  const drawn = rows.map((row, n) => {
    const y = frame.top + (n + 0.5) * frame.row;
    const whisker = `M${round(x(row.low))} ${y}H${round(x(row.high))}M${round(x(row.low))} ${y - 5}v10M${round(x(row.high))} ${y - 5}v10`;
    return html`${label(frame.left - 10, y + 4, row.name, 'label', 'end')}
<rect class="fill ${row.name.startsWith('broker') ? 'l1' : 'other'}" x="${frame.left}" y="${y - bar / 2}" width="${round(x(row.value) - frame.left)}" height="${bar}"/><path class="series whisker" d="${whisker}"/>
${label(x(row.high) + 12, y + 4, `${formatCount(row.value)} µs (${formatCount(row.low)} to ${formatCount(row.high)})`, 'value')}`;
  });
  const grid = x.ticks.map(
    (tick) =>
      html`<path class="grid" d="M${round(x(tick))} ${frame.top}V${bottom}"/>${label(x(tick), bottom + 16, `${formatCount(tick)} µs`, 'tick', 'middle')}`,
  );
  const says = rows.map(({ name, value }) => `${name} ${formatCount(value)} µs`).join(', ');
  return figure(id, [frame.width, bottom + 24], 'CPU of one request', `Median over slices: ${says}.`, [
    ...grid,
    ...drawn,
  ]);
}

/** What a ratio is to be, and whether it is not: a positive limit is the most, a negative one the least, 0 is none. */
export function tellTarget({ limit, value }: Bench['rows'][number]): string {
  if (limit === 0) return 'told';
  const [bound, met] =
    limit > 0 ? [`<= ${formatCount(limit)}`, value <= limit] : [`>= ${formatCount(-limit)}`, value >= -limit];
  return met ? bound : `${bound}, missed`;
}

/** Where the middle half of the rounds lay. */
export function tellMiddle({ low, high }: Bench['rows'][number]): string {
  return low === high ? '–' : `${formatCount(low)} to ${formatCount(high)}`;
}

/** The ratios that are held against a limit. */
export function targetsTable({ rows }: Bench): Html {
  return table(
    'Ratios within the same run',
    ['What', 'Target', 'Measured', 'Middle half'],
    rows.map((row) => [
      html`${row.name}${row.note && html`<small>${row.note}</small>`}`,
      tellTarget(row),
      formatCount(row.value),
      tellMiddle(row),
    ]),
  );
}
