// @ts-check

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/**
 * Text as it may stand in markup, in an element or a quoted attribute. Control characters go: XML has none.
 * @param {unknown} value
 */
export function escapeText(value) {
  return (
    String(value)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '')
      .replace(/[&<>"']/g, (character) => entities[/** @type {keyof typeof entities} */ (character)])
  );
}

/**
 * So many of something, in words: `1 span`, `21 spans`.
 * @param {number} count
 * @param {string} what
 */
export const toCount = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;

/**
 * A duration for people: `0.42 ms`, `38 ms`, `1.24 s`, `2 min 5 s`.
 * @param {number} ms
 */
export function formatMs(ms) {
  if (ms < 9.95) return `${Number(ms.toFixed(ms < 0.995 ? 2 : 1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(ms < 9_950 ? 2 : 1))} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * A time since the beginning, to the millisecond once it is long.
 * @param {number} ms
 */
export function formatClock(ms) {
  return `+${ms < 999.5 ? formatMs(ms) : `${(ms / 1000).toFixed(3)} s`}`;
}

/**
 * Text in lines of a width, at the width of an average letter: nothing is cut.
 * @param {string} value @param {number} width pixels @param {number} [letter] pixels
 * @returns {string[]}
 */
export function wrap(value, width, letter = 6.3) {
  const room = Math.max(6, Math.floor(width / letter));
  const long = new RegExp(`.{1,${room - 1}}-|.{1,${room}}`, 'gu');
  // A number stays with its unit, and a dot with what comes after it.
  const words = value.replace(/ (?=(?:ms|s|min)\b)|(?<=\u00b7) /g, '\u00a0').split(' ');
  const lines = [''];
  for (const piece of words.flatMap((word) => (word.length > room ? (word.match(long) ?? []) : [word]))) {
    const last = lines.at(-1) ?? '';
    if (last === '') lines[lines.length - 1] = piece;
    else if (last.length + piece.length < room) lines[lines.length - 1] = `${last} ${piece}`;
    else lines.push(piece);
  }
  return lines;
}

/**
 * Lines of text, one under the other.
 * @param {number} x @param {number} y of the first @param {string[]} lines @param {string} name class
 * @param {'start' | 'middle' | 'end'} [anchor]
 */
export function linesAt(x, y, lines, name, anchor) {
  return lines.map((line, place) => textAt(x, y + place * lineHeight, line, name, anchor)).join('');
}

/** From one line of text to the next, in pixels. */
export const lineHeight = 14;

/**
 * @param {number} x @param {number} y @param {string} value @param {string} name class
 * @param {'start' | 'middle' | 'end'} [anchor]
 */
export function textAt(x, y, value, name, anchor = 'start') {
  return `<text x="${round(x)}" y="${round(y)}" class="${name}" text-anchor="${anchor}">${escapeText(value)}</text>`;
}

/**
 * The beginning of a drawing; `</svg>` ends it.
 * @param {string} name @param {number} width @param {number} height
 */
export function openSvg(name, width, height) {
  return `<svg class="drawing ${name}" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`;
}

/**
 * The beginning of a line that can be chosen; `</g>` ends it.
 * @param {import('../span.ts').Span} span @param {string} part tells the lines of one span apart
 * @param {string} names classes @param {string} title @param {[top: number, height: number, width: number]} box
 */
export function openRow({ spanId }, part, names, title, [top, height, width]) {
  const id = escapeText(spanId);
  return `<g class="row ${names}" role="option" id="${part}-${id}" data-span="${id}"><title>${escapeText(title)}</title><rect class="hit" x="0" y="${top}" width="${width}" height="${height}"/>`;
}

/** @param {number} value */
export function round(value) {
  return Math.round(value * 10) / 10;
}
