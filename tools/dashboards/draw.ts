import { type Html, html } from '@onbehalf/chassis/http/html';
import { round } from '@onbehalf/trace-viewer/draw/svg';
import { z } from 'zod';
import { formatBytes, formatClock, formatCount } from '../../services/load-generator/src/drawing/format.ts';
import {
  figure,
  horizontalAxis,
  label,
  linePath,
  type Plot,
  verticalAxis,
  widthOf,
} from '../../services/load-generator/src/drawing/plot.ts';
import { linear, type Scale, timeScale } from '../../services/load-generator/src/drawing/scale.ts';

const step = z.object({ value: z.number().nullable(), color: z.string() });
const panelSchema = z.object({
  type: z.enum(['stat', 'timeseries']),
  title: z.string(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(z.object({ expr: z.string(), legendFormat: z.string().default('') })),
  fieldConfig: z.object({
    defaults: z.object({
      unit: z.string().default('short'),
      thresholds: z.object({ steps: z.array(step) }).optional(),
      custom: z.object({ stacking: z.object({ mode: z.string() }).optional() }).optional(),
    }),
  }),
});
/** What of a dashboard of Grafana is drawn. */
export const dashboardSchema = z.object({ uid: z.string(), title: z.string(), panels: z.array(panelSchema) });
export type Panel = z.output<typeof panelSchema>;

/** The values of a panel by seconds since the beginning; null where there was none. */
export type Series = { name: string; points: [atSeconds: number, value: number | null][] };
export type Drawn = { panel: Panel; series: Series[] };

const grid = { column: 50, row: 26, gap: 8, head: 40 };
const colours = ['#2f6fdd', '#12a0a8', '#d9822b', '#8a4fd0', '#0f7a3d', '#bf1d2c', '#56627a', '#b8860b'];
const style = `text{font:12px system-ui,sans-serif;fill:#56627a}.panel{font-weight:600;fill:#16202e}.big{font-size:34px;fill:#0f7a3d}
.low{fill:#bf1d2c}.box{fill:#fff;stroke:#dfe3ea}.grid{stroke:#dfe3ea;fill:none}.limit{stroke:#bf1d2c;stroke-dasharray:5 4;fill:none}.line{fill:none;stroke-width:1.6}`;

const formats: Record<string, (value: number) => string> = {
  percentunit: (value) => `${Number((value * 100).toFixed(2))} %`,
  s: (value) => (Math.abs(value) < 1 ? `${Number((value * 1_000).toFixed(1))} ms` : formatClock(value)),
  bytes: formatBytes,
  reqps: (value) => `${formatCount(value)}/s`,
};

/** A dashboard as a picture, in SVG: each panel where Grafana has it. */
export function drawDashboard(title: string, seconds: number, panels: Drawn[]): string {
  const width = 24 * grid.column;
  const height = grid.head + grid.row * Math.max(...panels.map(({ panel: { gridPos: at } }) => at.y + at.h));
  const drawn = panels.map((one) => drawPanel(one, seconds));
  const says = panels.map(({ panel }) => panel.title).join('; ');
  const ground = html`<style>${style}</style><rect width="${width}" height="${height}" fill="#f6f7f9"/>${label(10, 26, title, 'panel')}`;
  const svg = figure('dashboard', [width, height], title, says, [ground, drawn]);
  return `${svg}\n`.replace('<svg ', `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" `);
}

function drawPanel({ panel, series }: Drawn, seconds: number): Html {
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * grid.column - grid.gap, h * grid.row - grid.gap];
  const format = formats[panel.fieldConfig.defaults.unit] ?? formatCount;
  const there = series.filter(({ points }) => points.some(([, value]) => value !== null));
  const inside =
    there.length === 0
      ? label(width / 2, height / 2, 'No data', 'label', 'middle')
      : panel.type === 'stat'
        ? drawNumber(panel, there, width, height, format)
        : drawLines(panel, there, { width, height, seconds }, format);
  const box = html`<rect class="box" width="${width}" height="${height}" rx="4"/>${label(10, 20, panel.title, 'panel')}`;
  return html`<g transform="translate(${x * grid.column + grid.gap / 2} ${y * grid.row + grid.head})">${box}${inside}</g>`;
}

function drawNumber(panel: Panel, [one]: Series[], width: number, height: number, format: (n: number) => string): Html {
  const value = one?.points.findLast(([, last]) => last !== null)?.[1] ?? 0;
  const colour = limitsOf(panel).findLast((limit) => limit.value === null || limit.value <= value)?.color;
  return label(width / 2, height / 2 + 20, format(value), colour === 'red' ? 'big low' : 'big', 'middle');
}

const limitsOf = ({ fieldConfig }: Panel) => fieldConfig.defaults.thresholds?.steps ?? [];

function drawLines(
  panel: Panel,
  series: Series[],
  { width, height, seconds }: { width: number; height: number; seconds: number },
  format: (value: number) => string,
): Html {
  const stacked = panel.fieldConfig.defaults.custom?.stacking?.mode === 'normal';
  const layers = stacked ? stack(series) : series.map(({ points }) => points);
  const values = layers.flat().flatMap(([, value]) => (value === null ? [] : [value]));
  const plot: Plot = { left: 62, right: width - 12, top: 32, bottom: height - 44 };
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const y = linear([low, high * 1.05 || (low < 0 ? 0 : 1)], [plot.bottom, plot.top]);
  const x = timeScale(seconds, [plot.left, plot.right], 5);
  const limits = limitsOf(panel).flatMap(({ value }) =>
    value !== null && value > low && value <= high ? [value] : [],
  );
  return html`${verticalAxis(plot, y, format)}${horizontalAxis(plot, x, formatClock)}${layers.map((points, place) =>
    drawLayer(points, place, x, y, stacked),
  )}${limits.map((value) => html`<path class="limit" d="M${plot.left} ${round(y(value))}H${plot.right}"/>`)}${legend(
    series.map(({ name }) => name),
    plot,
    height - 9,
  )}`;
}

/** Each series upon those before it, the last first, so that what is drawn later lies before it. */
function stack(series: Series[]): Series['points'][] {
  const below = new Map<number, number>();
  return series.map(({ points }) =>
    points.map(([at, value]): [number, number | null] => {
      below.set(at, (below.get(at) ?? 0) + (value ?? 0));
      return [at, below.get(at) ?? 0];
    }),
  );
}

function drawLayer(points: Series['points'], place: number, x: Scale, y: Scale, filled: boolean): Html {
  const colour = colours[place % colours.length];
  const path = linePath(points.map(([at, value]) => [x(at), value === null ? null : y(value)]));
  const [from, to] = [x(points[0]?.[0] ?? 0), x(points.at(-1)?.[0] ?? 0)];
  const area =
    filled && html`<path fill="${colour}" fill-opacity=".12" d="${path}L${round(to)} ${round(y(0))}H${round(from)}z"/>`;
  return html`${area}<path class="line" stroke="${colour}" d="${path}"/>`;
}

/** The names in one row, as far as there is room. */
function legend(names: string[], { left, right }: Plot, y: number): Html[] {
  let at = left;
  return names.map((name, place) => {
    const from = at;
    at += widthOf(name) + 30;
    if (at > right + 24) return html``;
    return html`<path class="line" stroke="${colours[place % colours.length]}" d="M${from} ${y - 4}h14"/>${label(from + 18, y, name)}`;
  });
}
