import type { IncomingMessage } from 'node:http';
import type { Arrival } from './arrival.ts';
import { isFromOutside } from './identity-headers.ts';
import { theirCookies } from './upstream-cookies.ts';

/** Says to this service that a request has been here: it would go round for ever. RFC 8586. */
export const loopName = 'onbehalf-web-frontend';

export function isLoop({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return String(headers['cdn-loop'] ?? '').includes(loopName);
}

/**
 * A browser's headers for an upstream, as `rawHeaders` has them: without those of the hop, without anything by which
 * somebody states who they are, and without our cookies; then what we state. A request that may change nothing has no
 * body: framed otherwise than it came, an upstream could take it for a request of its own (RFC 9112 section 11.2).
 */
export function requestHeaders(
  { rawHeaders, headers }: IncomingMessage,
  { host, proto, client }: Arrival,
  hasBody: boolean,
): string[] {
  const out: string[] = ['Host', host];
  const ofHop = connectionNames(headers.connection);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (isFromOutside(name) || ofHop?.has(name.toLowerCase())) continue;
    const value = rawHeaders[at + 1] as string;
    if (name.length === 6 && name.toLowerCase() === 'cookie') {
      const theirs = theirCookies(value);
      if (theirs !== '') out.push(name, theirs);
    } else out.push(name, value);
  }
  if (hasBody && headers['transfer-encoding'] !== undefined) out.push('Transfer-Encoding', 'chunked');
  else if (hasBody) out.push('Content-Length', headers['content-length'] ?? '0');
  out.push('X-Forwarded-For', client, 'X-Forwarded-Proto', proto, 'X-Forwarded-Host', host, 'CDN-Loop', loopName);
  return out;
}

/** The headers that are of one hop because `Connection` says so. RFC 9110 section 7.6.1. */
export function connectionNames(connection = ''): ReadonlySet<string> | undefined {
  if (connection === '' || /^(keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  return new Set(connection.toLowerCase().split(/[\s,]+/));
}
