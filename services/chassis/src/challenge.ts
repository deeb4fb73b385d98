import { z } from 'zod';
import { Fault } from './fault.ts';

/** One challenge of a `WWW-Authenticate` header; scheme and parameter names in lower case. */
export type Challenge = { scheme: string; params: ReadonlyMap<string, string> };

/** The claims a client must ask for: the `claims` parameter of OpenID Connect Core section 5.5, a JSON object. */
const claimsSchema = z.record(z.string(), z.unknown());

/** Larger ones do not fit a redirect to the sign-in page. */
const maxClaimsLength = 4_096;

const element = /[\s,]*([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+)))?/y;

/** The value of `WWW-Authenticate` for a bearer token: RFC 6750 section 3, quoted as RFC 9110 section 5.6.4 says. */
export function bearerChallenge(params: Record<string, string | undefined> = {}): string {
  const list = Object.entries(params).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`],
  );
  return list.length === 0 ? 'Bearer' : `Bearer ${list.join(', ')}`;
}

/** Reads a `WWW-Authenticate` header of any number of challenges; stops at what is none. RFC 9110 section 11.6.1. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; params: Map<string, string> }[] = [];
  const pattern = new RegExp(element);
  for (let match = pattern.exec(header); match; match = pattern.exec(header)) {
    const [, name = '', quoted, bare] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), params: new Map() });
    else challenges.at(-1)?.params.set(name.toLowerCase(), value);
  }
  return challenges;
}

/**
 * The claims (JSON) that a resource asks for by `Bearer error="insufficient_claims", claims="<base64>"`; undefined if
 * it asks for none that can be read. Learn: "Claims challenges, claims requests, and client capabilities".
 */
export function claimsChallenge(header: string | null | undefined): string | undefined {
  for (const { scheme, params } of parseChallenges(header ?? '')) {
    if (scheme !== 'bearer' || params.get('error') !== 'insufficient_claims') continue;
    const claims = Buffer.from(params.get('claims') ?? '', 'base64').toString('utf8');
    if (isClaims(claims)) return claims;
  }
  return undefined;
}

/** The token is of no use here. RFC 6750 section 3.1. `description` is the caller's to read: nothing from outside. */
export function invalidToken(description: string, cause?: unknown): Fault {
  const challenge = bearerChallenge({ error: 'invalid_token', error_description: description });
  return new Fault('invalid_token', description, { cause, challenge });
}

/** The token is good but lacks this scope or role. RFC 6750 section 3.1. */
export function insufficientScope(description: string, scope: string): Fault {
  return new Fault('insufficient_scope', description, {
    challenge: bearerChallenge({ error: 'insufficient_scope', scope }),
  });
}

/** Asks for a token with these claims (JSON): the person may have to approve something. */
export function insufficientClaims(claims: string): Fault {
  return new Fault('insufficient_claims', 'The token lacks claims: sign in with those of the challenge.', {
    challenge: bearerChallenge({ error: 'insufficient_claims', claims: Buffer.from(claims).toString('base64') }),
  });
}

function isClaims(text: string): boolean {
  try {
    return text.length <= maxClaimsLength && claimsSchema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}
