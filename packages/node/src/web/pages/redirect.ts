import { exchangeOf, setHeaders, type WebResponse } from '../http/response.ts';
import { locationOf } from '../session/location.ts';
import { pagesOf } from './pages.ts';

/** Proxies refuse a response whose head is larger than their one buffer of 4 KB: nginx by 502. */
const maxHeadBytes = 4_000;

/**
 * 303: whatever the method was, the browser goes on with GET. No body repeats the address; an address that is
 * too long for a head goes into a page that leads on. A session is sealed anew by the next page, not by a redirect.
 * @param to a path of ours, below the request's location, or a whole URL.
 */
export function redirect(res: WebResponse, to: string): void {
  const location = to.startsWith('/') ? locationOf(res.req).address(to) : to;
  const { resealed } = exchangeOf(res);
  const cookies = [res.getHeader('Set-Cookie') ?? []].flat().map(String);
  if (resealed !== undefined) {
    res.removeHeader('Set-Cookie');
    for (const line of cookies.filter((each) => !each.includes(resealed))) res.appendHeader('Set-Cookie', line);
  }
  setHeaders(res, { 'Cache-Control': 'no-store' });
  if (headBytes(res) + location.length > maxHeadBytes) {
    pagesOf(res).forwarding(res, location);
    return;
  }
  res.statusCode = 303;
  setHeaders(res, { Location: location });
  res.end();
}

function headBytes(res: WebResponse): number {
  const lines = Object.entries(res.getHeaders()).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => `${name}: ${each}\r\n`),
  );
  // The status line, `Date`, `Connection`, `Keep-Alive`, `Location: ` and the empty line are not among them yet.
  return Buffer.byteLength(lines.join('')) + 170;
}
