/**
 * A part of a header without the spaces and tabs around it: optional whitespace of RFC 9110 section 5.6.3. `trim` would
 * also take U+00A0 and others away, so that two names which a browser tells apart became one.
 */
export function withoutSpace(part: string): string {
  let [start, end] = [0, part.length];
  while (start < end && isSpace(part.charCodeAt(start))) start += 1;
  while (end > start && isSpace(part.charCodeAt(end - 1))) end -= 1;
  return part.slice(start, end);
}

const isSpace = (code: number) => code === 0x20 || code === 0x09;
