// @ts-check
import {
  colourOf,
  inLaneOrder,
  inTreeOrder,
  leaseWait,
  statusOf,
  toPeers,
  toTree,
  waiting,
  withoutOverhang,
} from './spans.js';
import { formatMs, lineHeight, linesAt, openRow, openSvg, round, textAt, wrap } from './svg.js';
import { isDetail, toWords } from './words.js';

/** @typedef {import('../span.ts').Span} Span */

/** Longer waiting shrinks to a band, so that the work of our services stays visible. */
const shrinkOverMs = 250;
const bandWidth = 64;
const headHeight = 52;
const legendHeight = 18;
const narrowBelow = 560;

/**
 * The stretches in which nothing but waiting happens, longer than `shrinkOverMs`; ms since the trace's start.
 * @param {Span[]} spans
 */
export function findGaps(spans) {
  const epoch = Math.min(...spans.map((span) => span.startMs));
  const work = spans.filter((span) => span.name !== waiting).sort((a, b) => a.startMs - b.startMs);
  const gaps = [];
  let busyUntil = epoch;
  for (const { startMs, endMs } of work) {
    if (startMs - busyUntil > shrinkOverMs) gaps.push({ fromMs: busyUntil - epoch, toMs: startMs - epoch });
    busyUntil = Math.max(busyUntil, endMs);
  }
  return gaps;
}

/** @param {{ fromMs: number, toMs: number }[]} gaps */
function hiddenMs(gaps) {
  return gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0);
}

/**
 * Milliseconds to pixels: in proportion, but for the gaps.
 * @param {number} totalMs @param {{ fromMs: number, toMs: number }[]} gaps @param {number} width pixels
 */
export function toScale(totalMs, gaps, width) {
  const perMs = Math.max(1, width - gaps.length * bandWidth) / Math.max(0.001, totalMs - hiddenMs(gaps));
  return (/** @type {number} */ ms) => {
    let x = ms * perMs;
    for (const { fromMs, toMs } of gaps) {
      if (ms <= fromMs) break;
      const inside = Math.min(ms, toMs) - fromMs;
      x += (inside / (toMs - fromMs)) * bandWidth - inside * perMs;
    }
    return x;
  };
}

/**
 * A trace as a waterfall: SVG text, everything from outside escaped. On a narrow sheet the names stand over the bars.
 * @param {Span[]} all
 * @param {{ width: number, trueScale?: boolean, detail?: boolean }} options pixels; with every command to Redis
 */
export function drawWaterfall(all, { width, trueScale = false, detail = false }) {
  const spans = withoutOverhang(all).filter((span) => detail || !isDetail(span));
  const narrow = width < narrowBelow;
  const names = narrow ? 0 : Math.min(380, Math.round(width * 0.36));
  const legend = drawLegend(spans, width);
  const head = headHeight + legend.height;
  const { rows, height } = placeRows(spans, { narrow, width, names, head });
  const epoch = Math.min(...spans.map((span) => span.startMs));
  const totalMs = Math.max(...spans.map((span) => span.endMs)) - epoch;
  const gaps = trueScale ? [] : findGaps(spans);
  const scale = toScale(totalMs, gaps, width - names - 16);
  const x = (/** @type {number} */ ms) => names + 8 + scale(ms);
  const bands = gaps.map(({ fromMs, toMs }) => {
    const left = x(fromMs);
    return `<g class="gap"><rect x="${round(left)}" y="${head - 4}" width="${bandWidth}" height="${height - head}"/>${textAt(left + bandWidth / 2, head - 10, formatMs(toMs - fromMs), 'clock', 'middle')}</g>`;
  });
  const bodies = rows.map((row) => {
    const from = x(row.span.startMs - epoch);
    return drawRow(row, { from, to: Math.max(from + 2, x(row.span.endMs - epoch)), names, width, narrow });
  });
  return `${openSvg('waterfall', width, height)}${[legend.svg, ...drawTicks(totalMs, gaps, x, { head, height }), ...bands, ...bodies].join('')}</svg>`;
}

/** @typedef {{ span: Span, indent: number, lines: string[], top: number, height: number }} Row in pixels */

/**
 * Where each row is, and the lines of its name.
 * @param {Span[]} spans @param {{ narrow: boolean, width: number, names: number, head: number }} sheet
 */
function placeRows(spans, { narrow, width, names, head }) {
  const calledBy = toCalled(spans);
  const words = toWords(spans);
  let top = head;
  /** @type {Row[]} */
  const rows = inTreeOrder(spans).map(({ span, depth }) => {
    const indent = 10 + Math.min(depth, 12) * (narrow ? 6 : 14);
    const name = `${words(span)}${calledBy(span)}${span.links.length > 0 ? ' ⇢' : ''}`;
    const lines = wrap(name, (narrow ? width : names) - indent - 22, 6.6);
    const height = (narrow ? 42 : 26) + (lines.length - 1) * lineHeight;
    top += height;
    return { span, indent, lines, top: top - height, height };
  });
  return { rows, height: top + 8 };
}

/** @param {Span[]} spans @returns {(span: Span) => string} */
function toCalled(spans) {
  const peerOf = toPeers(spans);
  const { childrenOf } = toTree(spans);
  return (span) => {
    if (span.kind !== 'client') return '';
    const served = childrenOf(span).find((child) => child.kind === 'server');
    return ` → ${served?.service ?? peerOf(span)}`;
  };
}

/** Which colour is which service, in as many lines as it takes. @param {Span[]} spans @param {number} width */
function drawLegend(spans, width) {
  let [x, y] = [10, 5];
  const items = inLaneOrder(spans.map((span) => span.service)).map((service) => {
    const room = 30 + service.length * 6.2;
    if (x > 10 && x + room > width) [x, y] = [10, y + legendHeight];
    const left = x;
    x += room;
    return `<g class="${colourOf(service)}"><rect class="chip" x="${left}" y="${y}" width="10" height="10" rx="3"/>${textAt(left + 15, y + 9, service, 'note')}</g>`;
  });
  return { svg: items.join(''), height: y - 5 };
}

/**
 * About one line in 90 pixels, at round times, none inside or close to a band.
 * @param {number} totalMs @param {{ fromMs: number, toMs: number }[]} gaps @param {(ms: number) => number} x
 * @param {{ head: number, height: number }} sheet pixels
 */
function drawTicks(totalMs, gaps, x, { head, height }) {
  const rough = Math.max(
    0.01,
    (totalMs - hiddenMs(gaps)) / Math.max(1, (x(totalMs) - x(0) - gaps.length * bandWidth) / 90),
  );
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : 2);
  const ticks = [];
  let last = -100;
  for (let ms = 0; ms <= totalMs && ticks.length < 40; ms += step) {
    const gap = gaps.find(({ fromMs, toMs }) => ms > fromMs && ms < toMs);
    // A long gap is stepped over at once, not tick by tick.
    if (gap) ms = Math.ceil(gap.toMs / step) * step;
    if (ms > totalMs) break;
    const close = gaps.some(({ fromMs, toMs }) => Math.abs(x(ms) - (x(fromMs) + x(toMs)) / 2) < bandWidth / 2 + 26);
    if (close || x(ms) - last < 56 || x(ms) > x(totalMs) - 20) continue;
    last = x(ms);
    ticks.push(
      `<path class="tick" d="M${round(last)} ${head - 4}V${height}"/>${textAt(last, head - 10, formatMs(ms), 'clock', ms === 0 ? 'start' : 'middle')}`,
    );
  }
  return ticks;
}

/**
 * @param {Row} row
 * @param {{ from: number, to: number, names: number, width: number, narrow: boolean }} place of the bar, and the sheet
 */
function drawRow({ span, indent, lines, top, height }, { from, to, names, width, narrow }) {
  const took = formatMs(span.endMs - span.startMs);
  const failed = span.error ? ' failed' : '';
  const waits = span.name === waiting || span.name === leaseWait ? ' waiting' : '';
  const note = `${span.error ? '✕ ' : ''}${took}${span.error && statusOf(span) ? ` · ${statusOf(span)}` : ''}`;
  const whole = `${span.service}: ${lines.join(' ')}, ${note}`;
  const barTop = narrow ? top + height - 19 : top + 7;
  const noteWidth = note.length * 6.3;
  // The note stands after the bar, else before it, else in it.
  const [noteX, side, anchor] =
    to + 6 + noteWidth < width
      ? [to + 6, '', 'start']
      : from - noteWidth > names + 8
        ? [from - 6, '', 'end']
        : [to - 6, ' within', 'end'];
  return `${openRow(span, 'span', `${colourOf(span.service)}${waits}${failed}`, whole, [top, height, width])}<rect class="chip" x="${indent}" y="${top + 8}" width="4" height="11" rx="2"/>${linesAt(indent + 10, top + 17, lines, 'name')}<rect class="bar" x="${round(from)}" y="${barTop}" width="${round(to - from)}" height="12" rx="3"/>${textAt(noteX, barTop + 10, note, `note${side}`, /** @type {'start'} */ (anchor))}</g>`;
}
