import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs, round } from '@onbehalf/trace-viewer/draw/svg';
import type { BrokerSeries, LoadEvent, ScenarioRun } from '../results/result.ts';
import { lengthOf, widthFor } from './columns.ts';
import { formatBytes, formatClock, formatCore } from './format.ts';
import { figure, horizontalAxis, label, linePath, type Plot, verticalAxis } from './plot.ts';
import { extent, linear, type Scale, timeScale } from './scale.ts';

const frame = { width: 330, left: 58, right: 322 };
const heights = { title: 24, plot: 48, axis: 24 };

const measures = [
  { key: 'cpu', title: 'CPU of one core', format: formatCore },
  { key: 'eventLoopP99Ms', title: 'Event loop p99', format: formatMs },
  { key: 'rssBytes', title: 'Resident memory', format: formatBytes },
  { key: 'redisP99Ms', title: 'Redis p99', format: formatMs },
] as const;

type Key = (typeof measures)[number]['key'];

type Shown = (typeof measures)[number] & { most: number };

/** A small drawing per broker, all on the same scales, so that they can be compared. */
export function drawBrokers(id: string, run: ScenarioRun, atMost: number): Html[] {
  const most = (key: Key) =>
    extent(run.brokers.flatMap(({ seconds }) => seconds.map((second) => second[key])))?.[1] ?? 0;
  const shown = measures.map((measure) => ({ ...measure, most: most(measure.key) })).filter((one) => one.most > 0);
  if (shown.length === 0) return [];
  const inOrder = run.brokers.toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  return inOrder.map((broker, n) => {
    const drawing = drawBroker(`${id}-${n}`, run, broker, shown, widthFor(run, atMost));
    return html`<figure><figcaption>${broker.name}</figcaption>${drawing}</figure>`;
  });
}

function drawBroker(id: string, run: ScenarioRun, broker: BrokerSeries, shown: Shown[], width: number): Html {
  const x = timeScale(lengthOf(run), [frame.left, frame.right], 4);
  const rows = shown.map(({ key, title, format, most }, row) => {
    const top = row * (heights.title + heights.plot) + heights.title;
    const plot: Plot = { ...frame, top, bottom: top + heights.plot };
    const y = linear([0, most * 1.1], [plot.bottom, plot.top], 2);
    const points = thinned(broker, key, width).map(([at, value]): [number, number | null] => [
      x(at),
      value === null ? null : y(value),
    ]);
    return html`${label(frame.left, top - 7, title, 'panel')}${verticalAxis(plot, y, format)}<path class="series p99" d="${linePath(points)}"/>`;
  });
  const whole: Plot = { ...frame, top: heights.title, bottom: shown.length * (heights.title + heights.plot) };
  const peaks = shown.map(
    ({ key, title, format }) => `${title} at most ${format(extent(broker.seconds.map((one) => one[key]))?.[1] ?? 0)}`,
  );
  return figure(id, [frame.width, whole.bottom + heights.axis], broker.name, `${peaks.join(', ')}.`, [
    ...run.events.map((event) => drawBand(event, x, whole)),
    ...horizontalAxis(whole, x, formatClock),
    ...rows,
  ]);
}

function drawBand({ kind, atSeconds, untilSeconds }: LoadEvent, x: Scale, { top, bottom }: Plot): Html {
  if (untilSeconds === undefined) return html``;
  const from = x(atSeconds);
  return html`<rect class="band event-${kind}" x="${round(from)}" y="${top}" width="${round(x(untilSeconds) - from)}" height="${bottom - top}"/>`;
}

/** The largest value of each so many seconds. */
function thinned({ seconds }: BrokerSeries, key: Key, width: number): [atSeconds: number, value: number | null][] {
  const groups = Map.groupBy(seconds, ({ atSeconds }) => Math.floor(atSeconds / width));
  return [...groups].map(([place, group]) => [
    (place + 0.5) * width,
    extent(group.map((one) => one[key]))?.[1] ?? null,
  ]);
}
