import { cookiePrefix } from '@onbehalf/node/web/session/cookies';

/** An upstream's cookies whose names begin like ours have this before them in the browser. */
const room = 'upstream-';

/** Browsers take the prefix in any case of its letters. RFC 6265bis section 5.5. */
const ours = new RegExp(`^(${cookiePrefix})`, 'i');
const moved = new RegExp(`^${room}(?=${cookiePrefix})`, 'i');

/** What of `Cookie` is an upstream's: all but ours, by the names that it gave. */
export function theirCookies(cookie: string): string {
  if (!cookie.includes('__')) return cookie;
  return cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !ours.test(pair))
    .map((pair) => pair.replace(moved, ''))
    .join('; ');
}

/**
 * An upstream's `Set-Cookie` as the browser may have it: never under a name of ours, and of this host only, since it
 * shares its domain with others. Undefined where it has no name: browsers send its value as if it were name and value.
 */
export function theirSetCookie(line: string): string | undefined {
  const [pair = '', ...attributes] = line.split(';');
  const at = pair.indexOf('=');
  // Browsers take away what is not seen before they look at the name.
  const name = pair.slice(0, Math.max(0, at)).replace(/^[\s\p{C}]+/u, '');
  if (name.trim() === '') return undefined;
  const kept = attributes.filter((attribute) => !/^\s*domain\s*(=|$)/i.test(attribute));
  const renamed = ours.test(name) ? room : '';
  return [`${renamed}${name}${pair.slice(at)}`, ...kept].join(';');
}
