import type { IncomingMessage } from 'node:http';
import { Fault } from '../../core/fault.ts';
import { withoutSpace } from '../../core/optional-space.ts';
import type { CookieOptions } from '../http/response.ts';

/** The prefix makes browsers refuse the name unless it is Secure, HttpOnly, host-only and for `/`. RFC 6265bis. */
export const cookiePrefix = '__Host-Http-';

/** The flags of all our cookies; `__Host-` requires all but `httpOnly`. */
export const cookieFlags = { path: '/', secure: true, httpOnly: true } as const satisfies CookieOptions;

/**
 * The limit of all our cookies together in `Cookie`, names and separators included: proxies read the header into buffers
 * of a few KB, and refuse a larger one until the cookies end.
 */
export const maxCookieHeaderBytes = 4_000;

/** The bytes of a cookie in `Cookie`: its name, its value and the separators. */
export const cookieBytes = (name: string, value: string): number => Buffer.byteLength(`${name}=${value}; `);

type Carrier = Pick<IncomingMessage, 'headers'>;

/**
 * The cookies of a request by name, the first of a name. Ours are base64url or plain words: nothing is decoded. A name is
 * what the browser stored, to the letter: what only looks like one of ours can be set by a sibling domain.
 */
export function cookiesOf(req: Carrier): ReadonlyMap<string, string> {
  return parse(req).cookies;
}

/**
 * Refuses a request that carries a cookie of ours twice: a browser keeps one of each, so somebody else wrote the other.
 * @throws Fault `invalid_request`.
 */
export function refuseDoubledCookies(req: Carrier): void {
  if (!parse(req).doubled) return;
  throw new Fault('invalid_request', 'A cookie of this site came twice. Clear the cookies of this site and try again.');
}

/** `doubled`: whether one of ours came twice. */
type Parsed = { cookies: ReadonlyMap<string, string>; doubled: boolean };

/** Each request is asked several times for the same cookies. */
const parsed = new WeakMap<Carrier['headers'], Parsed>();

function parse({ headers }: Carrier): Parsed {
  const known = parsed.get(headers);
  if (known) return known;
  const cookies = new Map<string, string>();
  let doubled = false;
  for (const pair of (headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    const name = withoutSpace(pair.slice(0, Math.max(0, at)));
    if (name === '') continue;
    if (cookies.has(name)) doubled ||= name.startsWith(cookiePrefix);
    else cookies.set(name, withoutSpace(pair.slice(at + 1)));
  }
  const found = { cookies, doubled };
  parsed.set(headers, found);
  return found;
}
