// @ts-check
import { toSequence } from './steps.js';
import { formatMs } from './svg.js';

/** @typedef {import('../span.ts').Span} Span */

/**
 * A trace as a Mermaid sequence diagram (mermaid.js.org, "Sequence diagrams").
 * @param {Span[]} spans
 */
export function toMermaid(spans) {
  const { lanes, steps } = toSequence(spans);
  const alias = new Map(lanes.map((name, place) => [name, `p${place}`]));
  const lines = lanes.map((name) => `  participant ${alias.get(name)} as ${safe(name)}`);
  for (const { type, from, to, label, span, atMs } of steps) {
    const [a, b] = [alias.get(from), alias.get(to)];
    const text = safe(`${span.error && type !== 'call' ? '✕ ' : ''}${label}`);
    if (type === 'wait') lines.push(`  Note over ${a},${b}: ${text}`);
    else if (type === 'reply') lines.push(`  ${a}${span.error ? '--x' : '-->>'}${b}: ${text}`);
    else lines.push(`  ${a}${span.error && type === 'leaf' ? '-x' : '->>'}${b}: ${text} (+${formatMs(atMs)})`);
  }
  return `sequenceDiagram\n${lines.join('\n')}\n`;
}

/** Mermaid reads `#nnn;` as a character; letters that mean something to it, or to HTML, are written so. @param {string} text */
function safe(text) {
  return text.replace(/[#;<>&"%{}\n\r\t:]/g, (character) =>
    /\s/.test(character) ? ' ' : `#${character.charCodeAt(0)};`,
  );
}
