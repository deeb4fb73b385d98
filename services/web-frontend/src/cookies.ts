import type { IncomingMessage } from 'node:http';
import type { CookieOptions } from 'express';

/** The prefix makes browsers refuse the name unless it is Secure, HttpOnly, host-only and for `/`. RFC 6265bis. */
export const cookiePrefix = '__Host-Http-';

/** What every cookie of ours has; `__Host-` requires all but `httpOnly`. */
export const cookieFlags = { path: '/', secure: true, httpOnly: true } as const satisfies CookieOptions;

/** The cookies of a request by name. Ours are base64url or plain words: nothing is decoded. */
export function cookiesOf(req: Pick<IncomingMessage, 'headers'>): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    if (at > 0 && !cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim());
  }
  return cookies;
}
