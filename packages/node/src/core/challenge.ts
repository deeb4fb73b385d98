import { z } from 'zod';
import { Fault } from './fault.ts';

/** One challenge of a `WWW-Authenticate` header: its scheme in lower case, its parameters by lower-case name. */
type Challenge = { scheme: string; parameters: Record<string, string> };

/** The claims a client must ask for: the `claims` parameter of OpenID Connect Core section 5.5, a JSON object. */
const claimsSchema = z.record(z.string(), z.unknown());

/** Larger ones do not fit a redirect to the sign-in page. */
const maxClaimsLength = 4_096;

/** The value of `WWW-Authenticate` for a bearer token: RFC 6750 section 3, quoted as RFC 9110 section 5.6.4 says. */
export function bearerChallenge(params: Record<string, string | undefined> = {}): string {
  const list = Object.entries(params).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`],
  );
  return list.length === 0 ? 'Bearer' : `Bearer ${list.join(', ')}`;
}

/** RFC 9110 sections 5.6.2, 5.6.4 and 11.2, each sticky: a token, a quoted string's content, a token68. */
const tokenShape = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const quotedShape = /"((?:[^"\\]|\\[\s\S])*)"/y;
const token68Shape = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const gapShape = /[ \t]*/y;
const commasShape = /[ \t,]*/y;
const equalsShape = /[ \t]*=[ \t]*/y;

/**
 * Reads `WWW-Authenticate` with any number of challenges: commas and escapes inside quotes, token68, `=` padding. What
 * follows a fault in the header is left out. RFC 9110 section 11.6.1.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (shape: RegExp): RegExpExecArray | null => {
    shape.lastIndex = at;
    const match = shape.exec(header);
    if (match) at = shape.lastIndex;
    return match;
  };
  const takeValue = () => take(quotedShape)?.[1]?.replace(/\\([\s\S])/g, '$1') ?? take(tokenShape)?.[0];
  while (at < header.length) {
    take(commasShape);
    const word = take(tokenShape)?.[0].toLowerCase();
    if (word === undefined) break;
    const current = challenges.at(-1);
    if (current && take(equalsShape)) {
      const value = takeValue();
      if (value === undefined) break;
      current.parameters[word] ??= value;
      continue;
    }
    challenges.push({ scheme: word, parameters: Object.create(null) });
    take(gapShape);
    take(token68Shape);
  }
  return challenges;
}

/**
 * The claims (JSON) that a resource asks for by `Bearer error="insufficient_claims", claims="<base64>"`; undefined if
 * it asks for none that can be read. Learn: "Claims challenges, claims requests, and client capabilities".
 */
export function claimsChallenge(header: string | null | undefined): string | undefined {
  for (const challenge of parseChallenges(header ?? '')) {
    const claims = claimsOf(challenge, maxClaimsLength);
    if (claims) return claims;
  }
  return undefined;
}

/** The same of one challenge; undefined also for claims of more than `maxLength` characters. */
export function claimsOf({ scheme, parameters }: Challenge, maxLength: number): string | undefined {
  if (scheme !== 'bearer' || parameters.error !== 'insufficient_claims') return undefined;
  try {
    const text = Buffer.from(parameters.claims ?? '', 'base64').toString();
    const claims = JSON.stringify(claimsSchema.parse(JSON.parse(text)));
    return claims.length <= maxLength ? claims : undefined;
  } catch {
    // An unreadable demand cannot be met.
    return undefined;
  }
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
