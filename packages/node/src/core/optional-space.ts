/**
 * A part of a header without the spaces and tabs around it: optional whitespace of RFC 9110 section 5.6.3. `trim` would
 * also take U+00A0 and others away, so that two names which a browser tells apart became one.
 */
export function withoutSpace(part: string): string {
  return part.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '');
}
