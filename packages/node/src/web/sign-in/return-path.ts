/** Long enough for a page of ours with its query; it travels in a cookie. */
const maxLength = 1_024;

/** Where a sign-in must not lead back to: it would start over, or show data instead of a page. */
const notPages = /^\/(sign-in|sign-out|auth|api|session)(\/|\?|#|$)/i;

/**
 * A path of our own origin to go back to, normalised; `/` for anything else. Only what starts with one slash and stays
 * at our origin after parsing passes: no scheme, authority, backslash, control character or `//` made by dot segments.
 * RFC 9700 section 4.11.
 */
export function returnPath(value: string | undefined, publicBaseUrl: string): string {
  if (value === undefined || value.length > maxLength || !/^\/(?![/\\])[^\\\p{Cc}\p{Zl}\p{Zp}]*$/u.test(value)) {
    return '/';
  }
  const url = URL.parse(value, publicBaseUrl);
  if (!url || url.origin !== new URL(publicBaseUrl).origin || url.username || url.password) return '/';
  const path = `${url.pathname}${url.search}${url.hash}`;
  // Not before: parsing writes one character of other scripts as nine.
  return path.length > maxLength || path.startsWith('//') || notPages.test(path) ? '/' : path;
}
