import { LRUCache } from 'lru-cache';
import { credentialProbeSeconds, credentialTrustMs } from '../lifetimes.ts';
import type { CredentialSource, Proof } from './credentials.ts';

/** With `organizations` the tenants are whoever signs in. */
const tenantsKept = 1_000;

/** So many different parties in a row are refused because of the credential, whatever it was before. */
const partiesBelieved = 3;

type InTenant = { acceptedAtMs: number; parties: Set<string>; refused?: { proof: string; untilMs: number } };
type Known = { acceptedAtMs: number; tenants: LRUCache<string, InTenant> };

const never = Number.NEGATIVE_INFINITY;

/**
 * Credentials that Entra refused rest, each in the tenant that refused it: it is asked about again after a while, by one
 * caller for all, or as soon as its file holds another.
 */
export function createRefusedProofs(nowMs: () => number) {
  const sources = new WeakMap<CredentialSource, Known>();
  const restUntilMs = () => nowMs() + credentialProbeSeconds * 1_000;
  function knownOf(source: CredentialSource): Known {
    const found = sources.get(source) ?? { acceptedAtMs: never, tenants: new LRUCache({ max: tenantsKept }) };
    sources.set(source, found);
    return found;
  }
  function inTenant(source: CredentialSource, tenantId: string): InTenant {
    const { tenants } = knownOf(source);
    const found = tenants.get(tenantId) ?? { acceptedAtMs: never, parties: new Set() };
    tenants.set(tenantId, found);
    return found;
  }
  return {
    rests(source: CredentialSource, tenantId: string, proof: Proof): boolean {
      const last = knownOf(source).tenants.get(tenantId)?.refused;
      if (!last || last.proof !== JSON.stringify(proof)) return false;
      if (last.untilMs > nowMs()) return true;
      last.untilMs = restUntilMs();
      return false;
    },
    /** From now on it rests. */
    rest(source: CredentialSource, tenantId: string, proof: Proof): void {
      inTenant(source, tenantId).refused = { proof: JSON.stringify(proof), untilMs: restUntilMs() };
    },
    /**
     * Entra refused it in words that mean the credential. It rests, unless Entra took it lately: then this one request
     * may be at fault, and so it is until `party` (whom it is for, where that is known) is the third.
     */
    refuse(source: CredentialSource, tenantId: string, proof: Proof, party: string | undefined): void {
      const { parties } = inTenant(source, tenantId);
      if (party !== undefined && parties.size < partiesBelieved) parties.add(party);
      if (!this.isTrusted(source, tenantId) || parties.size === partiesBelieved) this.rest(source, tenantId, proof);
    },
    /** Entra took it. */
    accept(source: CredentialSource, tenantId: string): void {
      const known = knownOf(source);
      known.acceptedAtMs = nowMs();
      known.tenants.set(tenantId, { acceptedAtMs: nowMs(), parties: new Set() });
    },
    /** Whether Entra took it lately: in this tenant, or in any. */
    isTrusted(source: CredentialSource, tenantId?: string): boolean {
      const known = knownOf(source);
      const { acceptedAtMs } =
        tenantId === undefined ? known : (known.tenants.get(tenantId) ?? { acceptedAtMs: never });
      return nowMs() - acceptedAtMs < credentialTrustMs;
    },
  };
}
