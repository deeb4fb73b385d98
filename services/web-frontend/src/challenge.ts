import { parseChallenges } from '@onbehalf/chassis/challenge';

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
