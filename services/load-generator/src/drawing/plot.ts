import { type Html, html } from '@onbehalf/chassis/http/html';
import { round } from '@onbehalf/trace-viewer/draw/svg';
import type { Scale } from './scale.ts';

/** Where numbers are drawn, in pixels of the figure. */
export type Plot = { left: number; right: number; top: number; bottom: number };

export type Key = { name: string; mark: string };

const letterWidth = 6.3;

/** About how wide a text is. */
export const widthOf = (text: string): number => text.length * letterWidth;

/** Text at a point. */
export function label(
  x: number,
  y: number,
  text: string,
  name = 'label',
  anchor: 'start' | 'middle' | 'end' = 'start',
): Html {
  return html`<text x="${round(x)}" y="${round(y)}" class="${name}"${anchor !== 'start' && html` text-anchor="${anchor}"`}>${text}</text>`;
}

/** A drawing that says what it shows to those who do not see it. */
export function figure(
  id: string,
  [width, height]: [number, number],
  title: string,
  says: string,
  drawn: Html | readonly (Html | Html[])[],
): Html {
  return html`<svg class="plot" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${title}</title><desc id="${id}-d">${says}</desc>${drawn}</svg>`;
}

/** Horizontal lines at a scale's ticks, with their numbers on the left. */
export function verticalAxis({ left, right }: Plot, y: Scale, format: (value: number) => string): Html[] {
  return y.ticks.map(
    (tick) =>
      html`<path class="grid" d="M${left} ${round(y(tick))}H${right}"/>${label(left - 7, y(tick) + 4, format(tick), 'tick', 'end')}`,
  );
}

/** Vertical lines at a scale's ticks, with their numbers below. */
export function horizontalAxis({ top, bottom }: Plot, x: Scale, format: (value: number) => string): Html[] {
  return x.ticks.map(
    (tick) =>
      html`<path class="grid" d="M${round(x(tick))} ${top}V${bottom}"/>${label(x(tick), bottom + 16, format(tick), 'tick', 'middle')}`,
  );
}

/** Names and their marks, from the right edge leftwards. */
export function legend(right: number, y: number, keys: Key[]): Html[] {
  let at = right;
  return [...keys].reverse().map(({ name, mark }) => {
    at -= widthOf(name);
    const text = label(at, y, name, 'key');
    at -= 20;
    const swatch = html`<path class="swatch ${mark}" d="M${round(at)} ${y - 4}h14"/>`;
    at -= 16;
    return html`${swatch}${text}`;
  });
}

/** A line through the points there are; a gap where one is missing, a dot where one stands alone. */
export function linePath(points: [x: number, y: number | null][]): string {
  let path = '';
  points.forEach(([x, y], place) => {
    if (y === null) return;
    const goesOn = place > 0 && points[place - 1]?.[1] !== null;
    path += `${goesOn ? 'L' : 'M'}${round(x)} ${round(y)}`;
    if (!goesOn && (points[place + 1]?.[1] ?? null) === null) path += 'h.01';
  });
  return path;
}

type Box = { from: number; to: number; top: number; bottom: number };

/** Upright rectangles in one path; those that touch are one shape, so that no seam shows between them. */
export function boxesPath(boxes: Box[]): string {
  const shapes: Box[][] = [];
  for (const box of boxes.filter(({ top, bottom }) => bottom - top > 0.04)) {
    const shape = shapes.at(-1);
    if (shape && shape.at(-1)?.to === box.from) shape.push(box);
    else shapes.push([box]);
  }
  return shapes.map(shapePath).join('');
}

function shapePath(boxes: Box[]): string {
  const [first, last] = [boxes[0], boxes.at(-1)];
  const above = boxes.map(({ top, to }) => `V${round(top)}H${round(to)}`).join('');
  const even = boxes.every(({ bottom }) => bottom === first?.bottom);
  const under = even
    ? ''
    : boxes
        .toReversed()
        .map(({ bottom, from }) => `V${round(bottom)}H${round(from)}`)
        .join('');
  return `M${round(first?.from ?? 0)} ${round(first?.bottom ?? 0)}${above}${even ? `V${round(last?.bottom ?? 0)}` : under}z`;
}

/** Labels at the end of lines, pushed apart so that none covers another. */
export function endLabels(
  x: number,
  [top, bottom]: [number, number],
  ends: { y: number; text: string; name: string }[],
): Html[] {
  const sorted = [...ends].sort((a, b) => a.y - b.y);
  const apart = 13;
  const places: number[] = [];
  for (const { y } of sorted) places.push(Math.max(y, (places.at(-1) ?? top - apart) + apart));
  for (let n = places.length - 1; n >= 0; n--) {
    const below = places[n + 1] ?? bottom + apart;
    places[n] = Math.min(places[n] ?? 0, below - apart);
  }
  return sorted.map(({ text, name }, n) => label(x + 6, (places[n] ?? 0) + 4, text, `end ${name}`));
}
