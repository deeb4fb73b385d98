import type { Location } from '../session/location.ts';

/** Long enough for a page of ours with its query; it travels in a cookie. */
const maxLength = 1_024;

/** Where a sign-in must not lead back to: it would start over, or show data instead of a page. */
const notPages = /^\/(sign-in|sign-out|auth|api|session)(\/|\?|#|$)/i;

/**
 * A path of this location to go back to, normalised, without the location's own path; `/` for anything else. Only what
 * starts with one slash and stays there after parsing passes: no scheme, authority, backslash, control character or `//`
 * made by dot segments. RFC 9700 section 4.11.
 */
export function returnPath(value: string | undefined, { origin, prefix }: Pick<Location, 'origin' | 'prefix'>): string {
  if (value === undefined || value.length > maxLength || !/^\/(?![/\\])[^\\\p{Cc}\p{Zl}\p{Zp}]*$/u.test(value)) {
    return '/';
  }
  const url = URL.canParse(value, origin) ? new URL(value, origin) : undefined;
  if (!url || url.origin !== origin || url.username || url.password) return '/';
  if (!url.pathname.startsWith(`${prefix}/`)) return '/';
  const path = `${url.pathname.slice(prefix.length)}${url.search}${url.hash}`;
  // Not before: parsing writes one character of other scripts as nine.
  return path.length > maxLength || path.startsWith('//') || notPages.test(path) ? '/' : path;
}
