// @ts-check
import { colourOf, inLaneOrder, leaseWait, toPeers, toTree, waiting, withoutOverhang } from './spans.js';
import { formatMs } from './svg.js';
import { isDetail, outcomeOf, toWords } from './words.js';

/** @typedef {import('../span.ts').Span} Span */
/**
 * One line of the diagram. `call`: an arrow whose response comes further down; `reply`: that response; `leaf`: a call
 * and its response in one; `self`: work of its own; `pause`: it waits for another request; `wait`: the person is away
 * at Entra ID.
 * @typedef {{ type: 'call' | 'reply' | 'leaf' | 'self' | 'pause' | 'wait', from: string, to: string, label: string,
 *   atMs: number, span: Span }} Step
 */

/**
 * The steps of a trace in the order of time, in the words of the business.
 * @param {Span[]} all @param {boolean} [detail] with every command to Redis
 * @returns {{ lanes: string[], steps: Step[] }}
 */
export function toSequence(all, detail = false) {
  const spans = withoutOverhang(all).filter((span) => detail || !isDetail(span));
  const { sorted, parentOf, childrenOf } = toTree(spans);
  const peerOf = toPeers(spans);
  const words = toWords(spans);
  const epoch = sorted[0]?.startMs ?? 0;
  /** @type {(Step & { depth: number })[]} */
  const steps = [];
  for (const span of sorted) {
    const { service, startMs, endMs, kind } = span;
    const label = `${words(span)} · ${formatMs(endMs - startMs)}`;
    const depth = depthOf(span, parentOf);
    /** @param {Step['type']} type @param {string} from @param {string} to @param {string} label @param {number} at */
    const add = (type, from, to, label, at) => steps.push({ type, from, to, label, atMs: at - epoch, span, depth });
    const parent = parentOf(span);
    if (span.name === waiting) {
      // The person has left before our redirect is complete.
      add('wait', 'Browser', 'Entra ID', label, Math.max(startMs, parent?.endMs ?? 0));
    } else if (kind === 'server') {
      const from = parent?.kind === 'client' ? parent.service : service === 'web-frontend' ? 'Browser' : 'caller';
      add('call', from, service, words(span), startMs);
      add('reply', service, from, outcomeOf(span), endMs);
    } else if (kind === 'client' && !childrenOf(span).some((child) => child.kind !== 'internal')) {
      add('leaf', service, peerOf(span), label, startMs);
    } else if (kind === 'internal' && childrenOf(span).length === 0) {
      add(span.name === leaseWait ? 'pause' : 'self', service, service, label, startMs);
    }
  }
  // At one instant a response comes before the next call, the inner response before the outer, the outer call first.
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

/** @param {Step} step */
export const isFailed = ({ span, type }) => span.error && type !== 'call';

/** A failure has a sign beside its colour. @param {Step} step */
export function toLabel(step) {
  return `${isFailed(step) ? '✕ ' : ''}${step.label}`;
}

/** @param {Step} step */
export function toClasses(step) {
  const { type, from, to } = step;
  const colour = colourOf(type === 'reply' || from === to ? from : to);
  return `${type} ${colour}${isFailed(step) ? ' failed' : ''}`;
}
