import { z } from 'zod';
import { baseUrl, isSecureContext } from '../../core/address.ts';
import { Fault } from '../../core/fault.ts';
import { sentTargetOf, setTarget, targetOf, type WebRequest } from '../http/request.ts';
import { findLocation, Location, setLocation } from './location.ts';

/** So many sessions fit into one `Cookie` header. */
const maxSharers = 4;

const publicBaseUrl = baseUrl
  .refine(
    (url) => isSecureContext(new URL(url)),
    'must be https: browsers keep Secure cookies on https and loopback only',
  )
  // It becomes part of cookie names, and is compared as it is written.
  .refine(
    (url) => /^(\/[\w.-]+)*$/.test(url.slice(new URL(url).origin.length)) && url.length <= 200,
    'must have a path of letters, digits, ".", "_" and "-" only, in at most 200 characters',
  );

/** Public URLs, separated by commas or spaces, each with or without a path; none lies within another. */
export const publicBaseUrls = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .pipe(z.array(publicBaseUrl).min(1, 'must have a URL'))
  .superRefine((urls, context) => {
    const places = urls.map((url) => new URL(url));
    const overlap = places.some((place, index) => places.slice(index + 1).some((other) => overlaps(place, other)));
    if (overlap) {
      context.addIssue(
        'must not have a URL twice or within another: hosts or paths must differ, cookies know no ports',
      );
    }
    if (places.some(({ hostname }) => places.filter((other) => other.hostname === hostname).length > maxSharers)) {
      context.addIssue(`must have at most ${maxSharers} URLs of a host: their cookies share a header`);
    }
  });

/** Whether an address can lie within both: some servers and proxies know no capitals in paths. */
function overlaps(one: URL, other: URL): boolean {
  if (one.hostname !== other.hostname) return false;
  const [a, b] = [one, other].map(({ pathname }) => `${pathname.replace(/\/$/, '').toLowerCase()}/`) as [
    string,
    string,
  ];
  return a.startsWith(b) || b.startsWith(a);
}

type Carrier = Pick<WebRequest, 'rawHeaders' | 'originalUrl' | 'url'>;

/** `target`: the request's, below the location; `knownHost`: whether some location has the request's host. */
type Found = { location: Location; target: string } | { location?: never; knownHost: boolean };

/**
 * The public URLs of the app. A request's `Host` and path pick one of them, and make none: redirect URIs, cookies and
 * links rest on what is configured. RFC 9110 section 7.4.
 */
export class Locations {
  readonly #all: readonly Location[];
  readonly #byHost = new Map<string, Location[]>();
  readonly #only: Location | undefined;

  private constructor(all: readonly Location[], only?: Location) {
    this.#all = all;
    this.#only = only;
    for (const location of all) {
      for (const host of hostsOf(location)) this.#byHost.set(host, [...(this.#byHost.get(host) ?? []), location]);
    }
  }

  /** @param urls as `publicBaseUrls` has checked them. */
  static of(urls: readonly string[]): Locations {
    const hosts = urls.map((url) => new URL(url).hostname);
    return new Locations(
      urls.map((url, index) => {
        const sharers = hosts.filter((host) => host === hosts[index]).length;
        return new Location(url, { only: false, sharers });
      }),
    );
  }

  /** One that has every request below its path, whatever `Host` says: a proxy may write its own. */
  static one(url: string): Locations {
    const location = new Location(url, { only: true, sharers: 1 });
    return new Locations([location], location);
  }

  /** What names the app as a whole. */
  get first(): Location {
    return this.#all[0] as Location;
  }

  /** The hosts of all, with their ports. */
  get hosts(): string[] {
    return this.#all.map(({ host }) => host);
  }

  /** Where a request came to. */
  find(req: Carrier): Found {
    const sent = sentTargetOf(req as WebRequest);
    const candidates = this.#only ? [this.#only] : (this.#byHost.get(hostOf(req)) ?? []);
    for (const location of candidates) {
      const target = toBelow(sent, location);
      if (target !== undefined) return { location, target };
    }
    return { knownHost: candidates.length > 0 };
  }

  /** Chooses the request's location once, if it came to one: what handlers read of its target lies below that. */
  tryToChoose(req: WebRequest): Found {
    const chosen = findLocation(req);
    if (chosen) return { location: chosen, target: targetOf(req) };
    const found = this.find(req);
    if (found.location) {
      setLocation(req, found.location);
      setTarget(req, found.target);
    }
    return found;
  }

  /**
   * Chooses the request's location.
   * @throws Fault `misdirected_request` for another host, `not_found` for a path outside.
   */
  choose(req: WebRequest): void {
    const found = this.tryToChoose(req);
    if (found.location) return;
    if (found.knownHost) throw new Fault('not_found', 'There is nothing at this address.');
    throw new Fault('misdirected_request', 'This site does not have this host name.');
  }

  toJSON(): string[] {
    return this.#all.map(({ url }) => url);
  }
}

/** The host that a request names, in lower case: none if it names two. Node's `headersDistinct` reads every header for it. */
function hostOf({ rawHeaders }: Carrier): string {
  let host: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length !== 4 || name.toLowerCase() !== 'host') continue;
    if (host !== undefined) return '';
    host = rawHeaders[at + 1];
  }
  return host?.toLowerCase() ?? '';
}

/** How `Host` may name it: without the port of its scheme, or with it. */
function hostsOf({ origin }: Location): Set<string> {
  const { host, hostname, port, protocol } = new URL(origin);
  return new Set([host, `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`]);
}

function toBelow(url: string, { prefix }: Location): string | undefined {
  if (prefix === '') return url;
  const below = url.startsWith(prefix) ? url.slice(prefix.length) : undefined;
  if (below === undefined || !/^([/?]|$)/.test(below)) return undefined;
  return below.startsWith('/') ? below : `/${below}`;
}
