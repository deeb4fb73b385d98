// @ts-check
import { isFailed, toClasses, toLabel } from './steps.js';
import { formatClock, lineHeight, linesAt, openRow, openSvg, wrap } from './svg.js';

/** @typedef {import('./steps.js').Step} Step */

/** Between a lane's colour and its text. */
const indent = 18;

/**
 * The steps as a list, for a sheet that is too narrow for lanes.
 * @param {Step[]} steps @param {number} width pixels
 */
export function drawNarrow(steps, width) {
  const rows = [];
  let y = 4;
  for (const step of steps) {
    const way = step.from === step.to ? step.from : `${step.from} → ${step.to}`;
    const head = wrap(`${formatClock(step.atMs)} · ${way}`, width - indent - 6, 6.2);
    const label = wrap(toLabel(step), width - indent - 6, isFailed(step) ? 7.4 : 6.6);
    const height = (head.length + label.length) * lineHeight + 10;
    const bar = `<rect class="${step.type === 'wait' || step.type === 'pause' ? 'band' : 'chip'}" x="4" y="${y + 4}" width="6" height="${height - 8}" rx="3"/>`;
    const text = `${linesAt(indent, y + 14, head, 'clock')}${linesAt(indent, y + 14 + head.length * lineHeight, label, 'label')}`;
    rows.push(
      `${openRow(step.span, step.type, toClasses(step), `${way}: ${toLabel(step)}`, [y, height, width])}${bar}${text}</g>`,
    );
    y += height;
  }
  return `${openSvg('sequence', width, y + 4)}${rows.join('')}</svg>`;
}
