/** One challenge of a `WWW-Authenticate` header: its scheme in lower case, its parameters by lower-case name. */
export type Challenge = { scheme: string; parameters: Record<string, string> };

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
 * What a bearer challenge asks for: claims to be met (Learn: "Claims challenges, claims requests and client
 * capabilities"), as their JSON text, or a scope (RFC 6750 section 3.1).
 */
export function bearerDemand(header: string | undefined): { claims?: string; scope?: string } | undefined {
  for (const { scheme, parameters } of parseChallenges(header ?? '')) {
    if (scheme !== 'bearer') continue;
    const claims = parameters.error === 'insufficient_claims' && decodeClaims(parameters.claims);
    if (claims) return { claims };
    if (parameters.error === 'insufficient_scope' && parameters.scope) return { scope: parameters.scope };
  }
  return undefined;
}

/** Claims are carried in cookies. Those of an authentication context have 60 characters, those of many policies 400. */
export const maxClaimsLength = 800;

/** Base64 or base64url, padded or not, of a JSON object of bearable size; undefined for anything else. */
function decodeClaims(encoded = ''): string | undefined {
  const text = Buffer.from(encoded, 'base64').toString();
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    const claims = JSON.stringify(value);
    return isObject && claims.length <= maxClaimsLength ? claims : undefined;
  } catch {
    // An unreadable demand cannot be met: the answer is shown as it is.
    return undefined;
  }
}
