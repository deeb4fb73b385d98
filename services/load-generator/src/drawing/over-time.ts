import { type Html, html } from '@onbehalf/chassis/http/html';
import { round } from '@onbehalf/trace-viewer/draw/svg';
import type { LoadEvent, ScenarioRun } from '../results/result.ts';
import { type Column, lengthOf } from './columns.ts';
import { formatClock, formatCount, formatMaybeMs, nameOf } from './format.ts';
import { callsPanel, errorsPanel, latencyPanel, sourcesPanel } from './panels.ts';
import { figure, horizontalAxis, label, legend, type Plot, widthOf } from './plot.ts';
import { extent, type Scale, timeScale } from './scale.ts';

const frame = { width: 1_000, left: 62, right: 946 };
const heights = { event: 16, title: 38, axis: 24 };

/** Latency, sources of tokens, calls and errors of a run, one above the other on one time axis. */
export function drawOverTime(
  id: string,
  run: ScenarioRun,
  columns: Column[],
  latencies: Column[],
  pointed: boolean,
): Html {
  const x = timeScale(lengthOf(run), [frame.left, frame.right]);
  const events = placeEvents(run.events, x);
  const rows = Math.max(0, ...events.map(({ row }) => row + 1));
  const panels = [latencyPanel(run, latencies), sourcesPanel(columns), callsPanel(columns), ...errorsPanel(columns)];
  const first = rows * heights.event + 4;
  let bottom = first;
  const drawn = panels.map(({ title, height, keys, draw }) => {
    const plot: Plot = { ...frame, top: bottom + heights.title, bottom: bottom + heights.title + height };
    const head = [label(frame.left, plot.top - 9, title, 'panel'), ...legend(frame.right, plot.top - 9, keys)];
    bottom = plot.bottom;
    return html`<g>${head}${draw(plot, x)}</g>`;
  });
  const whole: Plot = { ...frame, top: first + heights.title, bottom };
  return figure(id, [frame.width, bottom + heights.axis], `${nameOf(run)}, over time`, describe(run, latencies), [
    ...events.map((event) => drawEvent(event, whole)),
    ...horizontalAxis(whole, x, formatClock),
    ...drawn,
    pointed ? hovers(columns, x, whole) : [],
  ]);
}

type Placed = { event: LoadEvent; row: number; from: number; to: number | undefined; ends: boolean };

/** Each label in the first row that has room for it. */
function placeEvents(events: LoadEvent[], x: Scale): Placed[] {
  const taken: number[] = [];
  return [...events]
    .sort((a, b) => a.atSeconds - b.atSeconds)
    .map((event) => {
      const from = x(event.atSeconds);
      const width = widthOf(event.label) + 12;
      // A label that would leave the figure stands before its mark.
      const ends = from + width > frame.width;
      const start = ends ? from - width : from;
      const free = taken.findIndex((end) => end <= start);
      const row = free < 0 ? taken.length : free;
      taken[row] = start + width;
      return { event, row, from, to: event.untilSeconds === undefined ? undefined : x(event.untilSeconds), ends };
    });
}

function drawEvent({ event, row, from, to, ends }: Placed, { bottom }: Plot): Html {
  const top = row * heights.event + 2;
  const text = label(from + (ends ? -5 : 5), top + 11, event.label, 'event', ends ? 'end' : 'start');
  const band =
    to !== undefined &&
    html`<rect class="band" x="${round(from)}" y="${top}" width="${round(Math.max(1, to - from))}" height="${bottom - top}"/>`;
  return html`<g class="event-${event.kind}">${band}<path class="mark" d="M${round(from)} ${top}V${bottom}"/>${text}</g>`;
}

/** Pointing at a column shows its numbers. */
function hovers(columns: Column[], x: Scale, { top, bottom }: Plot): Html {
  const boxes = columns.map((column) => {
    const from = x(column.atSeconds);
    return html`<rect x="${round(from)}" y="${top}" width="${round(x(column.untilSeconds) - from)}" height="${bottom - top}"><title>${tell(column)}</title></rect>`;
  });
  return html`<g class="hovers">${boxes}</g>`;
}

function tell({
  atSeconds,
  requests,
  errors,
  p50Ms,
  p99Ms,
  maxMs,
  l1,
  l2,
  entra,
  calls,
  minimumCalls,
  throttled,
  stampedes,
}: Column): string {
  return [
    `${formatClock(atSeconds)}: ${formatCount(requests)} requests${errors > 0 ? `, ${formatCount(errors)} errors` : ''}`,
    `p50 ${formatMaybeMs(p50Ms)}, p99 ${formatMaybeMs(p99Ms)}, max ${formatMaybeMs(maxMs)}`,
    `L1 ${formatCount(l1)}, L2 ${formatCount(l2)}, Entra ${formatCount(entra)}`,
    `calls ${formatCount(calls)}, minimum ${formatCount(minimumCalls)}`,
    throttled > 0 && `${formatCount(throttled)} answered 429`,
    stampedes > 0 && `${formatCount(stampedes)} bought twice`,
  ]
    .filter(Boolean)
    .join('\n');
}

function describe({ totals, events }: ScenarioRun, latencies: Column[]): string {
  const [low, high] = extent(latencies.map(({ p99Ms }) => p99Ms)) ?? [];
  const happened = events.map((event) => `${event.label} at ${formatClock(event.atSeconds)}`).join(', ');
  return [
    low === undefined ? 'No percentiles.' : `p99 between ${formatMaybeMs(low)} and ${formatMaybeMs(high)}.`,
    `Tokens from L1 ${formatCount(totals.l1)}, L2 ${formatCount(totals.l2)}, Entra ${formatCount(totals.entra)}.`,
    `${formatCount(totals.calls)} calls, at least ${formatCount(totals.minimumCalls)} needed. ${formatCount(totals.errors)} errors.`,
    happened && `Events: ${happened}.`,
    'The figures follow as a table.',
  ].join(' ');
}
