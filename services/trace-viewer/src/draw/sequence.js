// @ts-check
import { drawNarrow } from './narrow.js';
import { colourOf } from './spans.js';
import { isFailed, toClasses, toLabel, toSequence } from './steps.js';
import { formatClock, lineHeight, linesAt, openRow, openSvg, round, textAt, wrap } from './svg.js';

/** @typedef {import('../span.ts').Span} Span */
/** @typedef {import('./steps.js').Step} Step */
/** @typedef {{ width: number, detail?: boolean }} Sheet pixels to fill; with every command to Redis */

const lane = { first: 128, last: 74, box: 128, top: 8, boxHeight: 34 };
const gaps = { least: 112, most: 220 };
const heights = { call: 40, reply: 30, leaf: 34, self: 32, pause: 32, wait: 62 };
/** Beside a lane. */
const besideWidth = 160;
const listBelow = 620;

/**
 * A trace as a sequence diagram: SVG text, everything from outside escaped. On a narrow sheet it is a list of steps.
 * @param {Span[]} spans @param {Sheet} sheet
 */
export function drawSequence(spans, { width: wanted, detail = false }) {
  const { lanes, steps } = toSequence(spans, detail);
  return wanted < listBelow ? drawNarrow(steps, wanted) : drawLanes(lanes, steps, wanted);
}

/** @param {string[]} lanes @param {Step[]} steps @param {number} wanted pixels */
function drawLanes(lanes, steps, wanted) {
  const between = Math.max(1, lanes.length - 1);
  const gap = Math.round(Math.min(gaps.most, Math.max(gaps.least, (wanted - lane.first - lane.last) / between)));
  const x = new Map(lanes.map((name, place) => [name, lane.first + place * gap]));
  const at = (/** @type {string} */ name) => x.get(name) ?? 0;
  const width = lane.first + (lanes.length - 1) * gap + Math.max(lane.last, lanes.length > 1 ? 0 : besideWidth);
  /** @type {Map<string, number>} */
  const opened = new Map();
  const bars = [];
  const rows = [];
  let y = lane.top + lane.boxHeight + 10;
  for (const step of steps) {
    const top = y;
    const lines = wrap(toLabel(step), roomFor(step, at(step.from), at(step.to)), letterOf(step));
    y += heights[step.type] + (lines.length - 1) * lineHeight;
    const line = y - 8;
    if (step.type === 'call') opened.set(step.span.spanId, line);
    if (step.type === 'reply') {
      const from = opened.get(step.span.spanId) ?? top;
      bars.push(
        `<rect class="bar ${colourOf(step.from)}" x="${at(step.from) - 4}" y="${from}" width="8" height="${round(line - from)}" rx="2"/>`,
      );
    }
    rows.push(drawStep(step, lines, at(step.from), at(step.to), top, line, width));
  }
  const bottom = y + 14;
  const box = Math.min(lane.box, gap - 8);
  const heads = lanes.flatMap((name) => [lane.top, bottom].map((top) => drawHead(name, at(name), top, box)));
  const lines = lanes.map((name) => `<path class="life" d="M${at(name)} ${lane.top + lane.boxHeight}V${bottom}"/>`);
  const height = bottom + lane.boxHeight + 8;
  return `${openSvg('sequence', width, height)}${[...lines, ...rows, ...bars, ...heads].join('')}</svg>`;
}

/** @param {Step} step @param {number} from x @param {number} to x */
function roomFor({ type }, from, to) {
  return from === to ? besideWidth : Math.abs(to - from) + (type === 'wait' ? 8 : -14);
}

/** The width of a letter; a failure is bold. @param {Step} step */
const letterOf = (step) => (isFailed(step) ? 6.9 : 5.9);

/** @param {string} name @param {number} x @param {number} y @param {number} box its width */
function drawHead(name, x, y, box) {
  const lines = wrap(name, box - 4, 8.3).slice(0, 2);
  return `<g class="head ${colourOf(name)}"><rect x="${x - box / 2}" y="${y}" width="${box}" height="${lane.boxHeight}" rx="8"/>${linesAt(x, y + (lines.length > 1 ? 14 : 22), lines, 'name', 'middle')}</g>`;
}

/**
 * @param {Step} step @param {string[]} lines of its label @param {number} from x @param {number} to x
 * @param {number} top y @param {number} line y of the arrow @param {number} width of the whole drawing
 */
function drawStep(step, lines, from, to, top, line, width) {
  const { type, span } = step;
  const failed = isFailed(step);
  const clock =
    type === 'reply' ? '' : textAt(56, type === 'wait' ? line - 20 : line + 3, formatClock(step.atMs), 'clock', 'end');
  const whole = `${step.from} → ${step.to}: ${toLabel(step)}`;
  const body = { call: arrow, reply: arrow, leaf: arrow, self: own, pause, wait: away }[type];
  return `${openRow(span, type, toClasses(step), whole, [top, round(line + 8 - top), width])}${clock}${body(from, to, line, lines, width, type, failed)}</g>`;
}

/**
 * @param {number} from @param {number} to @param {number} y @param {string[]} lines
 * @param {number} width of the drawing @param {Step['type']} type @param {boolean} failed
 */
function arrow(from, to, y, lines, width, type, failed) {
  if (from === to) return own(from, to, y, lines, width);
  const way = Math.sign(to - from);
  const start = from + way * 5;
  const tip = to - way * (type === 'leaf' ? 2 : 5);
  const end = failed
    ? `<path class="cross" d="M${tip - way * 9} ${y - 4.5}l9 9m0-9l-9 9"/>`
    : `<path class="tip" d="M${tip} ${y}l${-8 * way}-4.5v9z"/>`;
  const back = type === 'leaf' ? `<circle class="dot" cx="${start}" cy="${y}" r="3"/>` : '';
  const text = linesAt((from + to) / 2, y - 7 - (lines.length - 1) * lineHeight, lines, 'label', 'middle');
  return `<path class="line" d="M${start} ${y}H${tip - way * 7}"/>${end}${back}${text}`;
}

/**
 * @param {number} x @param {number} _to @param {number} y @param {string[]} lines @param {number} width of the drawing
 */
function own(x, _to, y, lines, width) {
  return `<path class="line" d="M${x + 5} ${y - 12}h14v9h-12"/><path class="tip" d="M${x + 5} ${y - 3}l7-4v8z"/>${beside(x, y, lines, width)}`;
}

/** A bar beside the lane, as high as its row. @param {number} x @param {number} _to @param {number} y @param {string[]} lines @param {number} width */
function pause(x, _to, y, lines, width) {
  const height = 22 + (lines.length - 1) * lineHeight;
  return `<rect class="band" x="${x + 7}" y="${y + 2 - height}" width="12" height="${height}" rx="3"/>${beside(x, y, lines, width)}`;
}

/** Text on the right of a lane; there is no room beside the last. @param {number} x @param {number} y @param {string[]} lines @param {number} width */
function beside(x, y, lines, width) {
  const top = y - 4 - (lines.length - 1) * lineHeight;
  return x + besideWidth < width ? linesAt(x + 25, top, lines, 'label') : linesAt(x - 12, top, lines, 'label', 'end');
}

/** @param {number} from @param {number} to @param {number} y @param {string[]} lines */
function away(from, to, y, lines) {
  const left = Math.min(from, to) - 14;
  const width = Math.abs(to - from) + 28;
  const height = 36 + (lines.length - 1) * lineHeight;
  return `<rect class="band" x="${left}" y="${y - 6 - height}" width="${width}" height="${height}" rx="8"/>${linesAt(left + width / 2, y + 17 - height, lines, 'label', 'middle')}`;
}
