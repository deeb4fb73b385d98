import type { IncomingMessage } from 'node:http';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import { cachingHeaders } from '@onbehalf/node/web/session/caching';
import type { Session } from '@onbehalf/node/web/session/session';
import { connectionNames } from './request-headers.ts';
import { theirSetCookie } from './upstream-cookies.ts';

const kinds = {
  /** Of one hop; told to the servers before us, which may send files of theirs; or about the whole of this origin. */
  dropped:
    /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|x-accel-.*|x-(lighttpd-)?send-?file|clear-site-data|alt-svc|service-worker-allowed|public-key-pins.*)$/,
  /** What caching.ts says anew of a person's response. */
  caches:
    /^((.*-)?cache-control|(x-)?cache(-.*)?|surrogate-.*|edge-.*|pragma|expires|age|vary|etag|no-vary-search|use-as-dictionary)$/,
  cookie: /^set-cookie2?$/,
  location: /^location$/,
  passed: /./,
};
type Kind = keyof typeof kinds;

/** An upstream may invent names for ever; it sends the same thirty. */
const mostRemembered = 2_000;
const remembered = new Map<string, Kind>();

function kindOf(name: string): Kind {
  const known = remembered.get(name);
  if (known) return known;
  const plain = name.toLowerCase();
  const [kind] = Object.entries(kinds).find(([, names]) => names.test(plain)) as [Kind, RegExp];
  if (remembered.size < mostRemembered) remembered.set(name, kind);
  return kind;
}

type Request = {
  method: string | undefined;
  /** Whose response it is; undefined if it is nobody's. */
  person: Session | undefined;
  /** Whether somebody else's could be another. */
  personal: boolean;
  /** The upstream's. */
  origin: string;
};

/**
 * An upstream's headers for the browser, as `writeHead` takes them. A person's response is kept by no cache but the
 * browser's, which asks each time, as those of `/api`; one that could have been a person's differs by cookie.
 */
export function responseHeaders(response: IncomingMessage, { method, person, personal, origin }: Request): string[] {
  const { rawHeaders, headers } = response;
  const out: string[] = [];
  const ofHop = connectionNames(headers.connection);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    const kind = kindOf(name);
    if (kind === 'dropped' || (kind === 'caches' && person) || ofHop?.has(name.toLowerCase())) continue;
    const came = rawHeaders[at + 1] as string;
    const value = kind === 'cookie' ? theirSetCookie(came) : kind === 'location' ? addressHere(came, origin) : came;
    if (value !== undefined) out.push(name, value);
  }
  if (headers['content-length'] !== undefined) out.push('Content-Length', headers['content-length']);
  if (!person) return personal ? [...out, 'Vary', 'Cookie'] : out;
  for (const [name, value] of Object.entries(cachingHeaders(response, isSafe(method), person))) {
    out.push(name, String(value));
  }
  return out;
}

/** An address at the upstream's own name as one here. */
function addressHere(address: string, origin: string): string {
  const rest = address.startsWith(`${origin}/`) ? address.slice(origin.length) : '';
  return rest === '' || /^\/[/\\]/.test(rest) ? address : rest;
}
