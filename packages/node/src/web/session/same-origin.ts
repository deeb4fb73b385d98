import type { IncomingMessage } from 'node:http';
import { Fault } from '../../core/fault.ts';
import { locationOf } from './location.ts';

/**
 * Lets a request pass that only our own origin can have made: one with `X-CSRF: 1`, which no other origin may send
 * without a CORS response that we never give, or a plain form's, whose `Origin` or `Sec-Fetch-Site` says so. Whatever
 * says that it comes from elsewhere is refused, header or not. RFC 10017, "Cross-site request forgery protection".
 * @throws Fault `forbidden`.
 */
export function sameOriginOnly(req: IncomingMessage): void {
  const own = locationOf(req).origin;
  const { origin, 'sec-fetch-site': site, 'x-csrf': header } = req.headers;
  const foreign = (origin !== undefined && origin !== own) || (site !== undefined && site !== 'same-origin');
  const ours = header === '1' || origin === own || site === 'same-origin';
  if (foreign || !ours) throw new Fault('forbidden', 'This request must come from a page of this site.');
}
