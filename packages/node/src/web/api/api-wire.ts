import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { isPlainPath } from '../../core/wire/plain-path.ts';
import type { Api } from '../apis/apis.ts';
import { cachingHeaders, unmarkConditions } from '../session/caching.ts';
import type { Session } from '../session/session.ts';

/** The headers of a browser's request that reach an API. Never `Cookie`, and no header that names a hop, a user or a token. */
const requestNames = [
  ...['accept', 'accept-encoding', 'accept-language', 'content-encoding', 'content-language', 'content-length'],
  ...['content-type', 'idempotency-key', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
  ...['if-unmodified-since', 'prefer', 'range'],
  // Where an event stream goes on; how Graph counts and searches.
  ...['last-event-id', 'consistencylevel'],
];

/** The headers of an API's response that reach a browser as they are. Never `Set-Cookie`, CORS, authentication or a cache's hints. */
const responseNames = [
  ...['accept-ranges', 'allow', 'content-disposition', 'content-encoding', 'content-language', 'content-length'],
  ...['content-range', 'content-type', 'etag', 'last-modified', 'preference-applied', 'retry-after'],
  // Pages of a list, and what is left of a rate limit.
  ...['x-total-count', 'ratelimit', 'ratelimit-limit', 'ratelimit-policy', 'ratelimit-remaining', 'ratelimit-reset'],
  ...['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'],
];

/** The addresses in these are the browser's to follow: those of the API become ours. */
const addressNames = ['location', 'operation-location', 'link'];

/**
 * Which API and path a request line `/api/<name>/<path>?<query>` means, or undefined unless it is written plainly: no
 * absolute form, empty segment, backslash, nor an encoded dot, backslash, `%` or control character, and no segment that
 * leads elsewhere, all of which servers read differently. An encoded slash is the route's to allow, but not before
 * everything else, where it would begin the name of a host.
 */
export function apiTarget(requestTarget: string): { name: string; path: string; query: string } | undefined {
  const match = /^\/api\/([a-z0-9-]+)(\/[\w\-.~!$&'()*+,;=:@%/]*)(\?[\x21-\x7e]*)?$/.exec(requestTarget);
  if (!match) return undefined;
  const [, name = '', path = '', query = ''] = match;
  return isPlainPath(path) ? { name, path, query } : undefined;
}

/**
 * The headers and the body for the API. Only a request that may change something carries a body, framed anew: Node's
 * client would send the body of a DELETE unframed, so that an API could take it for a request of its own (RFC 9112
 * section 11.2).
 */
export function requestParts(
  req: IncomingMessage,
  session: Session,
  allowed: readonly string[],
): { headers: OutgoingHttpHeaders; body?: IncomingMessage } {
  const { 'content-length': length, ...picked } = pick(req.headers, [...requestNames, ...allowed]);
  const headers = unmarkConditions(picked, isSafe(req.method), session);
  const chunked = req.headers['transfer-encoding'] !== undefined;
  if (isSafe(req.method) || (!chunked && !(Number(length) > 0))) return { headers };
  return {
    headers: { ...headers, ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': length }) },
    body: req,
  };
}

/** What a browser would run or be styled by, with the rights of our pages. W3C Fetch Metadata section 2.1. */
const runs = /^(script|style|xslt|.*worker|.*worklet)$/;

/** Whether a browser asks in order to run the response. */
export function isToRun(req: IncomingMessage): boolean {
  return runs.test(String(req.headers['sec-fetch-dest'] ?? ''));
}

/** A method that changes nothing: it may be sent again. RFC 9110 section 9.2.1. */
export function isSafe(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** A response that comes event by event, without an end: silence does not end it. */
export function isEventStream({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return /^text\/event-stream(;|$)/i.test(headers['content-type'] ?? '');
}

/** An API's page must not run as one of ours: whatever its type, it gets no rights here. `at`: where we have the API. */
export function responseHeaders(
  response: IncomingMessage,
  { method, session, api, at, url }: { method: string; session: Session; api: Api; at: string; url: URL },
): OutgoingHttpHeaders {
  const { link, ...addresses } = pick(response.headers, addressNames);
  const ours = (address: string) => addressHere(address, { api, at, url });
  const links = linksOf(String(link ?? '')).map(({ address, parameters }) => `<${ours(address)}>${parameters}`);
  return {
    ...pick(response.headers, [...responseNames, ...api.allowResponseHeaders]),
    ...Object.fromEntries(Object.entries(addresses).map(([header, value]) => [header, ours(String(value))])),
    ...(links.length > 0 && { link: links.join(', ') }),
    ...cachingHeaders(response, isSafe(method), session),
    'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  };
}

/** One value of `Link`: an address, and parameters that may quote what they like. RFC 8288 section 3. */
const linkValue = /<([^<>]*)>((?:[^,"<>]|"(?:[^"\\]|\\.)*")*)/g;
const relation = /;\s*rel\*?\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)/gi;
/** What browsers fetch and proxies push unasked; some proxies tell everybody of it. HTML section 4.6.7, RFC 8297. */
const hint = /preload|prefetch|preconnect|prerender|stylesheet|manifest|icon|dictionary|worker|expect/i;

/** The links that lead on; hints do not pass. */
function linksOf(value: string) {
  return [...value.matchAll(linkValue)]
    .map(([, address = '', parameters = '']) => ({ address, parameters: parameters.trimEnd() }))
    .filter(
      ({ parameters }) =>
        ![...parameters.replaceAll('\\', '').matchAll(relation)].some(([, rel = '']) => hint.test(rel)),
    );
}

/** An address below the API as the browser reaches it; any other as it is, bytes for bytes. RFC 9110 section 10.2.2. */
function addressHere(address: string, { api, at, url }: { api: Api; at: string; url: URL }): string {
  // Node reads headers as Latin-1, browsers read these as UTF-8.
  const text = Buffer.from(address, 'latin1').toString();
  const target = URL.canParse(text, url.href) ? new URL(text, url.href) : undefined;
  if (!target?.href.startsWith(`${api.url}/`)) return address;
  return at + target.href.slice(api.url.length);
}

function pick(headers: IncomingMessage['headers'], names: readonly string[]): OutgoingHttpHeaders {
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}
