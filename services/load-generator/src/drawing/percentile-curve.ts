import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { decode, type Histogram, percentileMs } from '../results/histogram.ts';
import type { ScenarioRun } from '../results/result.ts';
import { formatCount, formatMaybeMs, nameOf } from './format.ts';
import { figure, horizontalAxis, label, legend, linePath, type Plot, verticalAxis } from './plot.ts';
import { extent, logarithmic, type Scale } from './scale.ts';

const plot: Plot = { left: 62, right: 946, top: 30, bottom: 250 };

/** So many steps from 90 to 99 %, and from each nine to the next. */
const stepsPerNine = 12;

type Curve = { name: string; mark: string; points: [nines: number, ms: number][] };

/** The percentiles that enough samples lie beyond, against how many nines they have. */
export function curveOf(histogram: Histogram): Curve['points'] {
  const points: Curve['points'] = [];
  for (let step = 0; ; step++) {
    const nines = step / stepsPerNine;
    const ms = percentileMs(histogram, (1 - 10 ** -nines) * 100);
    if (ms === null) return points;
    points.push([nines, ms]);
  }
}

/** Response and service time by percentile, to the last nine that the samples carry; a baseline's response beside them. */
export function drawPercentileCurve(id: string, run: ScenarioRun, baseline: ScenarioRun | undefined): Html | undefined {
  const response = decode(run.histograms.response);
  const curves: Curve[] = [
    { name: 'service time', mark: 'service', points: curveOf(decode(run.histograms.service)) },
    ...(baseline ? [{ name: 'baseline', mark: 'before', points: curveOf(decode(baseline.histograms.response)) }] : []),
    { name: 'response time', mark: 'p99', points: curveOf(response) },
  ];
  const scales = scalesOf(curves);
  if (!scales) return undefined;
  const { x, y } = scales;
  const keys = curves.toReversed().map(({ name, mark }) => ({ name, mark }));
  return figure(id, [1_000, plot.bottom + 24], `${nameOf(run)}, latency by percentile`, describe(response), [
    label(plot.left, plot.top - 10, 'Latency by percentile', 'panel'),
    ...legend(plot.right, plot.top - 10, keys),
    ...verticalAxis(plot, y, formatMs),
    ...horizontalAxis(plot, x, (nines) => `${Number(((1 - 10 ** -nines) * 100).toPrecision(8))} %`),
    ...curves.map(({ mark, points }) => {
      const path = linePath(points.map(([nines, ms]) => [x(nines), y(ms)]));
      return html`<path class="series ${mark}" d="${path}"/>`;
    }),
  ]);
}

/** Nines to the right, milliseconds upwards; nothing where there is no point. */
function scalesOf(curves: Curve[]): { x: Scale; y: Scale } | undefined {
  const points = curves.flatMap((curve) => curve.points);
  const span = extent(points.map(([, ms]) => ms));
  if (!span) return undefined;
  const [low, high] = span;
  const nines = Math.max(1, ...points.map(([place]) => place));
  const ticks = [0, Math.log10(2), ...Array.from({ length: Math.floor(nines) }, (_, n) => n + 1)];
  const x = (place: number) => plot.left + (place / nines) * (plot.right - plot.left);
  const y = logarithmic([Math.max(0.01, low / 1.25), Math.max(high * 1.25, low * 4)], [plot.bottom, plot.top]);
  return { x: Object.assign(x, { ticks }), y };
}

function describe(response: Histogram): string {
  const told = [50, 90, 99, 99.9].map((one) => `p${one} ${formatMaybeMs(percentileMs(response, one))}`);
  return `${formatCount(response.totalCount)} requests. Response time: ${told.join(', ')}.`;
}
