import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { type Html, html } from '../../../services/web-frontend/src/html.ts';
import { decode, type Histogram, percentileMs } from '../histogram.ts';
import type { ScenarioRun } from '../result.ts';
import { formatCount, formatMaybeMs, nameOf } from './format.ts';
import { figure, horizontalAxis, label, legend, linePath, type Plot, verticalAxis } from './plot.ts';
import { extent, logarithmic } from './scale.ts';

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
  const histograms = { response: decode(run.histograms.response), service: decode(run.histograms.service) };
  const curves: Curve[] = [
    { name: 'service time', mark: 'service', points: curveOf(histograms.service) },
    ...(baseline ? [{ name: 'baseline', mark: 'before', points: curveOf(decode(baseline.histograms.response)) }] : []),
    { name: 'response time', mark: 'p99', points: curveOf(histograms.response) },
  ];
  const values = extent(curves.flatMap(({ points }) => points.map(([, ms]) => ms)));
  if (!values) return undefined;
  const nines = Math.max(1, ...curves.flatMap(({ points }) => points.map(([place]) => place)));
  const y = logarithmic(
    [Math.max(0.01, values[0] / 1.25), Math.max(values[1] * 1.25, values[0] * 4)],
    [plot.bottom, plot.top],
  );
  const x = Object.assign((place: number) => plot.left + (place / nines) * (plot.right - plot.left), {
    ticks: [0, Math.log10(2), ...Array.from({ length: Math.floor(nines) }, (_, n) => n + 1)],
  });
  const { totalCount } = histograms.response;
  const says = `${formatCount(totalCount)} requests. Response time: ${['p50', 'p90', 'p99', 'p99.9']
    .map((name) => `${name} ${formatMaybeMs(percentileMs(histograms.response, Number(name.slice(1))))}`)
    .join(', ')}.`;
  return figure(id, [1_000, plot.bottom + 24], `${nameOf(run)}, latency by percentile`, says, [
    label(plot.left, plot.top - 10, 'Latency by percentile', 'panel'),
    ...legend(
      plot.right,
      plot.top - 10,
      curves.toReversed().map(({ name, mark }) => ({ name, mark })),
    ),
    ...verticalAxis(plot, y, formatMs),
    ...horizontalAxis(plot, x, (place) => `${Number(((1 - 10 ** -place) * 100).toPrecision(8))} %`),
    ...curves.map(
      ({ mark, points }) =>
        html`<path class="series ${mark}" d="${linePath(points.map(([place, ms]) => [x(place), y(ms)]))}"/>`,
    ),
  ]);
}
