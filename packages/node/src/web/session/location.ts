import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { cookiePrefix, maxCookieHeaderBytes } from './cookies.ts';
import type { Purpose, SealedFor } from './seal.ts';

/** Of a location that has its host for itself: room for the longest claims. */
const maxSessionBytes = 1_900;

/** What an attempt to sign in, a landing and a notice need beside the sessions of all locations of a host. */
const besideSessionsBytes = 1_150;

type LocationOptions = {
  /** The only one there is: its cookies open wherever they come from, since there is nowhere else. */
  only: boolean;
  /** How many locations have this host: they share a `Cookie` header. */
  sharers: number;
};

/** One public URL of the app: what a browser is told of addresses, and which cookies are its own. */
export class Location {
  /** Without a final slash. */
  readonly url: string;
  readonly origin: string;
  /** With its port, if it is not that of the scheme. */
  readonly host: string;
  /** The path of the URL, in front of all our paths: `''`, or e.g. `/shop`. */
  readonly prefix: string;
  /** The limit of this location's session in `Cookie`. */
  readonly maxSessionBytes: number;
  readonly sharers: number;
  readonly #mark: string;
  readonly #cookiePrefix: string;

  constructor(url: string, { only, sharers }: LocationOptions) {
    const { host, origin, pathname } = new URL(url);
    this.url = url;
    this.origin = origin;
    this.host = host;
    this.prefix = pathname === '/' ? '' : pathname;
    this.sharers = sharers;
    this.maxSessionBytes = Math.min(
      maxSessionBytes,
      Math.floor((maxCookieHeaderBytes - besideSessionsBytes) / sharers),
    );
    this.#mark = only ? '' : createHash('sha256').update(url).digest('base64url').slice(0, 16);
    this.#cookiePrefix = cookiePrefix + (this.prefix && `${this.prefix.slice(1).replaceAll('/', '~')}~`);
  }

  /** Where Entra sends the browser back to. */
  get redirectUri(): string {
    return `${this.url}/auth/callback`;
  }

  /** A path of ours as the browser asks for it. */
  address(path: string): string {
    return this.prefix + path;
  }

  /** This location's own name of a cookie of ours: `__Host-` forbids a `Path`, so the paths of a host differ by name. */
  cookie(name: string): string {
    return this.#cookiePrefix + name.slice(cookiePrefix.length);
  }

  /** For sealing what no other location opens. */
  sealedFor(purpose: Purpose): SealedFor {
    return this.#mark === '' ? purpose : `${purpose} ${this.#mark}`;
  }
}

const chosen = new WeakMap<IncomingMessage, Location>();

/** Notes the location that a request came to. */
export function setLocation(req: IncomingMessage, location: Location): void {
  chosen.set(req, location);
}

/** The location that a request came to; absent where it came to none of ours. */
export function findLocation(req: IncomingMessage): Location | undefined {
  return chosen.get(req);
}

/** The location that a request came to, which `Locations` has chosen. */
export function locationOf(req: IncomingMessage): Location {
  const location = findLocation(req);
  if (!location) throw new Error('no location was chosen for this request');
  return location;
}
