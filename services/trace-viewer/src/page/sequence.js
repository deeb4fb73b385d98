// @ts-check
import { colourOf, inLaneOrder, statusOf, toPeers, toTree, waiting } from './spans.js';
import { fit, formatClock, formatMs, openRow, openSvg, round, textAt } from './svg.js';

/** @typedef {import('../span.ts').Span} Span */
/**
 * One line of the diagram. `call`: an arrow that is answered further down; `reply`: that answer; `leaf`: a call and
 * its answer in one; `self`: work of its own; `wait`: the person is away at Entra ID.
 * @typedef {{ type: 'call' | 'reply' | 'leaf' | 'self' | 'wait', from: string, to: string, label: string,
 *   atMs: number, span: Span }} Step
 */

const lane = { first: 128, last: 74, box: 128, top: 8, boxHeight: 34 };
const gaps = { least: 140, most: 220 };
const heights = { call: 40, reply: 30, leaf: 34, self: 32, wait: 62 };

/**
 * What happened between whom, in the order of time.
 * @param {Span[]} spans
 * @returns {{ lanes: string[], steps: Step[] }}
 */
export function toSequence(spans) {
  const { sorted, parentOf, childrenOf } = toTree(spans);
  const peerOf = toPeers(spans);
  const epoch = sorted[0]?.startMs ?? 0;
  /** @type {(Step & { depth: number })[]} */
  const steps = [];
  for (const span of sorted) {
    const { service, startMs, endMs, kind } = span;
    const took = formatMs(endMs - startMs);
    const depth = depthOf(span, parentOf);
    /** @param {Step['type']} type @param {string} from @param {string} to @param {string} label @param {number} at */
    const add = (type, from, to, label, at) => steps.push({ type, from, to, label, atMs: at - epoch, span, depth });
    const parent = parentOf(span);
    if (span.name === waiting) {
      // Our redirect is still on its way when they are gone already.
      add('wait', 'Browser', 'Entra ID', `the person is at Entra ID · ${took}`, Math.max(startMs, parent?.endMs ?? 0));
    } else if (kind === 'server') {
      const entry = service === 'web-frontend' ? 'Browser' : 'caller';
      const from = parent?.kind === 'client' ? parent.service : entry;
      add('call', from, service, span.name, startMs);
      add('reply', service, from, [statusOf(span), took].filter(Boolean).join(' · '), endMs);
    } else if (kind === 'client' && !childrenOf(span).some((child) => child.kind !== 'internal')) {
      // "POST" alone says little; the span around it says what for.
      const bare = /^[A-Z]+$/.test(span.name) && parent?.kind === 'internal';
      add('leaf', service, peerOf(span), `${bare ? parent.name : span.name} · ${took}`, startMs);
    } else if (kind === 'internal' && childrenOf(span).length === 0) {
      add('self', service, service, `${span.name} · ${took}`, startMs);
    }
  }
  // At one instant an answer comes before the next call, the inner answer before the outer, the outer call first.
  const rank = (/** @type {Step & { depth: number }} */ step) =>
    step.type === 'reply' ? -1000 - step.depth : step.depth;
  steps.sort((a, b) => a.atMs - b.atMs || (a.span === b.span ? 0 : rank(a) - rank(b)));
  return { lanes: inLaneOrder(steps.flatMap(({ from, to }) => [from, to])), steps };
}

/** @param {Span} span @param {(span: Span) => Span | undefined} parentOf */
function depthOf(span, parentOf) {
  let depth = 0;
  for (let at = parentOf(span); at && depth < 64; at = parentOf(at)) depth++;
  return depth;
}

/**
 * A trace as a sequence diagram: SVG text, everything from outside escaped.
 * @param {Span[]} spans
 * @param {{ width: number }} options the pixels to fill, where lanes are neither too close nor too far for it
 */
export function drawSequence(spans, { width: wanted }) {
  const { lanes, steps } = toSequence(spans);
  const between = Math.max(1, lanes.length - 1);
  const gap = Math.round(Math.min(gaps.most, Math.max(gaps.least, (wanted - lane.first - lane.last) / between)));
  const x = new Map(lanes.map((name, place) => [name, lane.first + place * gap]));
  const at = (/** @type {string} */ name) => x.get(name) ?? 0;
  const width = lane.first + (lanes.length - 1) * gap + lane.last;
  /** @type {Map<Span, number>} */
  const opened = new Map();
  const bars = [];
  const rows = [];
  let y = lane.top + lane.boxHeight + 10;
  for (const step of steps) {
    const top = y;
    y += heights[step.type];
    const line = y - 8;
    if (step.type === 'call') opened.set(step.span, line);
    if (step.type === 'reply') {
      const from = opened.get(step.span) ?? top;
      bars.push(
        `<rect class="bar ${colourOf(step.from)}" x="${at(step.from) - 4}" y="${from}" width="8" height="${round(line - from)}" rx="2"/>`,
      );
    }
    rows.push(drawStep(step, at(step.from), at(step.to), top, line, width));
  }
  const bottom = y + 14;
  const heads = lanes.map((name) => drawHead(name, at(name), lane.top) + drawHead(name, at(name), bottom));
  const lines = lanes.map((name) => `<path class="life" d="M${at(name)} ${lane.top + lane.boxHeight}V${bottom}"/>`);
  const height = bottom + lane.boxHeight + 8;
  return `${openSvg('sequence', width, height)}${[...lines, ...rows, ...bars, ...heads].join('')}</svg>`;
}

/** @param {string} name @param {number} x @param {number} y */
function drawHead(name, x, y) {
  return `<g class="head ${colourOf(name)}"><rect x="${x - lane.box / 2}" y="${y}" width="${lane.box}" height="${lane.boxHeight}" rx="8"/>${textAt(x, y + 22, fit(name, lane.box - 12, 7), 'name', 'middle')}</g>`;
}

/**
 * @param {Step} step @param {number} from x @param {number} to x
 * @param {number} top y @param {number} line y of the arrow @param {number} width of the whole drawing
 */
function drawStep(step, from, to, top, line, width) {
  const { type, span } = step;
  const failed = span.error && type !== 'call';
  const label = `${failed ? '✕ ' : ''}${step.label}`;
  const clock =
    type === 'reply' ? '' : textAt(56, type === 'wait' ? line - 20 : line + 3, formatClock(step.atMs), 'clock', 'end');
  const colour = colourOf(type === 'reply' || type === 'self' ? step.from : step.to);
  const whole = `${step.from} → ${step.to}: ${label}`;
  const body = { call: arrow, reply: arrow, leaf: arrow, self: own, wait: away }[type];
  return `${openRow(span, type, `${type} ${colour}${failed ? ' failed' : ''}`, whole, [top, round(line + 8 - top), width])}${clock}${body(from, to, line, label, width, type, failed)}</g>`;
}

/**
 * @param {number} from @param {number} to @param {number} y @param {string} label
 * @param {number} width of the drawing @param {Step['type']} type @param {boolean} failed
 */
function arrow(from, to, y, label, width, type, failed) {
  if (from === to) return own(from, to, y, label, width);
  const way = Math.sign(to - from);
  const start = from + way * 5;
  const tip = to - way * (type === 'leaf' ? 2 : 5);
  const end = failed
    ? `<path class="cross" d="M${tip - way * 9} ${y - 4.5}l9 9m0-9l-9 9"/>`
    : `<path class="tip" d="M${tip} ${y}l${-8 * way}-4.5v9z"/>`;
  const back = type === 'leaf' ? `<circle class="dot" cx="${start}" cy="${y}" r="3"/>` : '';
  const text = textAt((from + to) / 2, y - 7, fit(label, Math.abs(to - from) - 14, 5.9), 'label', 'middle');
  return `<path class="line" d="M${start} ${y}H${tip - way * 7}"/>${end}${back}${text}`;
}

/**
 * @param {number} x @param {number} _to @param {number} y @param {string} label @param {number} width of the drawing
 */
function own(x, _to, y, label, width) {
  // Beside the last lane there is no room on the right.
  const text = fit(label, 160, 5.9);
  const beside =
    x + lane.last < width ? textAt(x + 25, y - 4, text, 'label') : textAt(x - 10, y - 4, text, 'label', 'end');
  return `<path class="line" d="M${x + 5} ${y - 12}h14v9h-12"/><path class="tip" d="M${x + 5} ${y - 3}l7-4v8z"/>${beside}`;
}

/** @param {number} from @param {number} to @param {number} y @param {string} label */
function away(from, to, y, label) {
  const left = Math.min(from, to) - 14;
  const width = Math.abs(to - from) + 28;
  return `<rect class="band" x="${left}" y="${y - 42}" width="${width}" height="36" rx="8"/>${textAt(left + width / 2, y - 19, fit(label, width - 20), 'label', 'middle')}`;
}
