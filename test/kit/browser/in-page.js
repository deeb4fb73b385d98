// Functions that run in a page: each stands alone.

/**
 * Puts other words in the place of what is new in every run.
 * @param {[pattern: string, word: string][]} changing regular expressions and their words.
 */
export function replaceTexts(changing) {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (parent.closest('script, style')) continue;
    const steady = changing.reduce(
      (words, [pattern, word]) => words.replaceAll(new RegExp(pattern, 'g'), word),
      text.data,
    );
    if (steady !== text.data) text.data = steady;
  }
}

/**
 * The texts that somebody who sees the page cannot read to the end, in a line each: cut by an element that hides what
 * is too long, covered by another element, or beyond the edge of a page or drawing.
 * @returns {string[]}
 */
export function unreadableTexts() {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} pixels wide on ${width}`);
  }
  const hides = (style) =>
    /hidden|clip/.test(`${style.overflowX} ${style.overflowY}`) || style.textOverflow === 'ellipsis';
  const isForScreenReaders = (box) => box.width <= 1 || box.height <= 1;

  /** What is around an element, from near to far, up to what can be scrolled. */
  const around = (element) => {
    const boxes = [];
    for (let box = element; box && box !== document.documentElement; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (/auto|scroll/.test(`${style.overflowX} ${style.overflowY}`)) break;
      if (hides(style)) boxes.push(box.getBoundingClientRect());
      if (style.position === 'fixed') break;
    }
    return boxes;
  };
  const isWithin = (line, box) =>
    line.left >= box.left - 1 &&
    line.right <= box.right + 1 &&
    line.top >= box.top - 1 &&
    line.bottom <= box.bottom + 1;
  const isCovered = (element, line) => {
    const [x, y] = [(line.left + line.right) / 2, (line.top + line.bottom) / 2];
    const top = document.elementFromPoint(x, y);
    return top !== null && !top.contains(element) && !element.contains(top) && !top.closest('label')?.contains(element);
  };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    const words = text.data.trim();
    if (
      !words ||
      element.closest('script, style, option, svg') ||
      !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    )
      continue;
    const boxes = around(element);
    if (boxes.some(isForScreenReaders)) continue;
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
    const range = document.createRange();
    range.selectNodeContents(text);
    const lines = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
    // A link that comes into sight with the focus waits beyond the edge.
    if (lines.every(({ right }) => right <= 0)) continue;
    if (lines.some((line) => around(element).some((box) => !isWithin(line, box)))) found.push(`cut: ${words}`);
    else if (lines.some((line) => isCovered(element, line))) found.push(`covered: ${words}`);
  }

  for (const text of document.querySelectorAll('svg.drawing text')) {
    const { x, width: wide } = text.getBBox();
    if (x < -0.5 || x + wide > Number(text.ownerSVGElement.getAttribute('width')) + 0.5) {
      found.push(`beyond the drawing: ${text.textContent}`);
    }
  }
  for (const element of document.querySelectorAll('*')) element.scrollTo(0, 0);
  return found;
}

/**
 * The control that has the focus, and what keeps somebody from seeing that it has.
 * @returns {{ name: string, hidden: string[] }} no name where nothing has it.
 */
export function focusedControl() {
  const element = document.activeElement;
  if (!element || element === document.body) return { name: '', hidden: [] };
  const label = element.ariaLabel ?? (element.labels?.[0] ?? element).textContent;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  // An inline link may be broken over two lines: one of them is enough. Of a long element the part in sight counts.
  const isOnTop = [...element.getClientRects()].some((box) => {
    const [x, y] = [
      (Math.max(0, box.left) + Math.min(clientWidth, box.right)) / 2,
      (Math.max(0, box.top) + Math.min(clientHeight, box.bottom)) / 2,
    ];
    const at = document.elementFromPoint(x, y);
    return at !== null && (element.contains(at) || at.contains(element));
  });
  const hidden = [
    (outlineStyle === 'none' || Number.parseFloat(outlineWidth) < 1) && 'it has no outline',
    (right <= 0 || left >= clientWidth || bottom <= 0 || top >= clientHeight) && 'it is out of sight',
    !isOnTop && 'something covers it',
  ];
  return { name: label.trim().replaceAll(/\s+/g, ' '), hidden: hidden.filter(Boolean) };
}
