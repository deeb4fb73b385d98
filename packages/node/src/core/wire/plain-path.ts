/**
 * Whether the path of a URL is written so that servers read it alike: no empty segment, backslash, nor an encoded dot,
 * backslash, `%` or control character, no encoded slash before everything else, and no segment that leads elsewhere.
 */
export function isPlainPath(path: string): boolean {
  const odd = /\/\/|^\/%2f|%(?![0-9a-f]{2})|%(2e|5c|25|[01][0-9a-f]|7f)/i.test(path);
  return /^\/[\w\-.~!$&'()*+,;=:@%/]*$/.test(path) && !odd && !path.split(/\/|%2f/i).some(leadsElsewhere);
}

/** Between marks of any kind: letters, digits, and what stands among them in names. */
const mark = /[^\p{L}\p{N}\p{M}\p{C}\s._~-]/u;
/** What code pages and Unicode make slashes of, and an escape of an escape. */
const slashOrEscape = /[/\\\u2044\u2215\u2216%]/;
/** Dots, with what is not seen around them. */
const dots = /^[\s\p{C}\p{M}\p{DI}]*\.[.\s\p{C}\p{M}\p{DI}]*$/u;

/**
 * Whether some server takes a segment for `.` or `..`. Servlet containers cut it at `;`, Windows at `:` and
 * before blanks and dots at its end, ASP.NET takes `(S(x))` out, others decode once more, or full-width and overlong
 * forms: so dots alone between any marks do not pass, nor does what is not UTF-8.
 */
function leadsElsewhere(segment: string): boolean {
  const text = decoded(segment)?.normalize('NFKC');
  if (text === undefined || slashOrEscape.test(text)) return true;
  return text.split(mark).some((part) => dots.test(part));
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not UTF-8.
    return undefined;
  }
}
