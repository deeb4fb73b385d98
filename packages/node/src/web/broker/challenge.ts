import { claimsOf, parseChallenges } from '../../core/challenge.ts';

/** Claims are carried in cookies. Those of an authentication context have 60 characters, those of many policies 400. */
export const maxClaimsLength = 800;

/**
 * The step-up that a bearer challenge asks for: claims to satisfy (Learn: "Claims challenges, claims requests and client
 * capabilities"), as their JSON text, or a scope (RFC 6750 section 3.1).
 */
export function parseStepUp(header: string | undefined): { claims?: string; scope?: string } | undefined {
  for (const challenge of parseChallenges(header ?? '')) {
    const claims = claimsOf(challenge, maxClaimsLength);
    if (claims) return { claims };
    const { scheme, parameters } = challenge;
    if (scheme !== 'bearer' || parameters.error !== 'insufficient_scope') continue;
    if (parameters.scope) return { scope: parameters.scope };
  }
  return undefined;
}
