import type { RequestHandler } from 'express';
import { Fault } from '../../core/fault.ts';

/**
 * Lets a request pass that only our own origin can have made: one with `X-CSRF: 1`, which no other origin may send
 * without a CORS response that we never give, or a plain form's, whose `Origin` or `Sec-Fetch-Site` says so. Whatever
 * says that it comes from elsewhere is refused, header or not. RFC 10017, "Cross-site request forgery protection".
 * @throws Fault `forbidden`.
 */
export function sameOriginOnly(publicBaseUrl: string): RequestHandler {
  return (req, _res, next) => {
    const { origin, 'sec-fetch-site': site, 'x-csrf': header } = req.headers;
    const foreign =
      (origin !== undefined && origin !== publicBaseUrl) || (site !== undefined && site !== 'same-origin');
    const ours = header === '1' || origin === publicBaseUrl || site === 'same-origin';
    if (foreign || !ours) throw new Fault('forbidden', 'This request must come from a page of this site.');
    next();
  };
}
