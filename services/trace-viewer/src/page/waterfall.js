// @ts-check
import { colourOf, inLaneOrder, inTreeOrder, statusOf, toPeers, toTree, waiting } from './spans.js';
import { fit, formatMs, openRow, openSvg, round, textAt } from './svg.js';

/** @typedef {import('../span.ts').Span} Span */

/** Waiting longer than this shrinks to a band: what our own parts do stays visible. */
const shrinkOverMs = 250;
const bandWidth = 64;
const headHeight = 52;
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
 * @param {Span[]} spans
 * @param {{ width: number, trueScale?: boolean }} options width in pixels
 */
export function drawWaterfall(spans, { width, trueScale = false }) {
  const rows = inTreeOrder(spans);
  const narrow = width < narrowBelow;
  const names = narrow ? 0 : Math.min(380, Math.round(width * 0.36));
  const rowHeight = narrow ? 42 : 26;
  const calledBy = toCalled(spans);
  const epoch = Math.min(...spans.map((span) => span.startMs));
  const totalMs = Math.max(...spans.map((span) => span.endMs)) - epoch;
  const gaps = trueScale ? [] : findGaps(spans);
  const plot = width - names - 16;
  const scale = toScale(totalMs, gaps, plot);
  const x = (/** @type {number} */ ms) => names + 8 + scale(ms);
  const height = headHeight + rows.length * rowHeight + 8;
  const bands = gaps.map(({ fromMs, toMs }) => {
    const left = x(fromMs);
    return `<g class="gap"><rect x="${round(left)}" y="${headHeight - 4}" width="${bandWidth}" height="${height - headHeight}"/>${textAt(left + bandWidth / 2, headHeight - 10, formatMs(toMs - fromMs), 'clock', 'middle')}</g>`;
  });
  const bodies = rows.map(({ span, depth }, place) => {
    const top = headHeight + place * rowHeight;
    const from = x(span.startMs - epoch);
    const to = Math.max(from + 2, x(span.endMs - epoch));
    return drawRow(span, depth, calledBy(span), { top, rowHeight, from, to, names, width, narrow });
  });
  return `${openSvg('waterfall', width, height)}${[drawLegend(spans), ...drawTicks(totalMs, gaps, x, height), ...bands, ...bodies].join('')}</svg>`;
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

/** Which colour is which service. @param {Span[]} spans */
function drawLegend(spans) {
  let x = 10;
  const items = inLaneOrder(spans.map((span) => span.service)).map((service) => {
    const left = x;
    x += 30 + service.length * 6.2;
    return `<g class="${colourOf(service)}"><rect class="chip" x="${left}" y="5" width="10" height="10" rx="3"/>${textAt(left + 15, 14, service, 'note')}</g>`;
  });
  return items.join('');
}

/**
 * About one line in 90 pixels, at round times, none inside or close to a band.
 * @param {number} totalMs @param {{ fromMs: number, toMs: number }[]} gaps @param {(ms: number) => number} x
 * @param {number} height
 */
function drawTicks(totalMs, gaps, x, height) {
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
      `<path class="tick" d="M${round(last)} ${headHeight - 4}V${height}"/>${textAt(last, headHeight - 10, formatMs(ms), 'clock', ms === 0 ? 'start' : 'middle')}`,
    );
  }
  return ticks;
}

/**
 * @param {Span} span @param {number} depth @param {string} called who, after an arrow
 * @param {{ top: number, rowHeight: number, from: number, to: number, names: number, width: number, narrow: boolean }} place
 */
function drawRow(span, depth, called, { top, rowHeight, from, to, names, width, narrow }) {
  const took = formatMs(span.endMs - span.startMs);
  const failed = span.error ? ' failed' : '';
  const note = `${span.error ? '✕ ' : ''}${took}${span.error && statusOf(span) ? ` · ${statusOf(span)}` : ''}`;
  const whole = `${span.service}: ${span.name}, ${note}`;
  const indent = 10 + Math.min(depth, 12) * (narrow ? 8 : 14);
  const barTop = narrow ? top + 23 : top + 7;
  const noteWidth = note.length * 6.3;
  // The note stands after the bar, else before it, else in it.
  const [noteX, side, anchor] =
    to + 6 + noteWidth < width
      ? [to + 6, '', 'start']
      : from - noteWidth > names + 8
        ? [from - 6, '', 'end']
        : [to - 6, ' within', 'end'];
  const nameRoom = (narrow ? width : names) - indent - 22;
  const name = fit(span.name + called, nameRoom, 6.6);
  const marks = span.links.length > 0 ? ' ⇢' : '';
  return `${openRow(span, 'span', `${colourOf(span.service)}${span.name === waiting ? ' waiting' : ''}${failed}`, whole, [top, rowHeight, width])}<rect class="chip" x="${indent}" y="${top + 8}" width="4" height="${narrow ? 10 : 11}" rx="2"/>${textAt(indent + 10, top + 17, name + marks, 'name')}<rect class="bar" x="${round(from)}" y="${barTop}" width="${round(to - from)}" height="12" rx="3"/>${textAt(noteX, barTop + 10, note, `note${side}`, /** @type {'start'} */ (anchor))}</g>`;
}
