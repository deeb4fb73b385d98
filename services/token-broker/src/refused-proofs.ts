import type { CredentialSource, Proof } from './credentials.ts';
import { credentialProbeSeconds } from './lifetimes.ts';

/**
 * Credentials that Entra refused rest: each is asked about again after a while, by one caller for all, or as soon as its
 * file holds another.
 */
export function createRefusedProofs(nowMs: () => number) {
  const refused = new WeakMap<CredentialSource, { proof: string; untilMs: number }>();
  const restUntilMs = () => nowMs() + credentialProbeSeconds * 1_000;
  return {
    rests(source: CredentialSource, proof: Proof): boolean {
      const last = refused.get(source);
      if (!last || last.proof !== JSON.stringify(proof)) return false;
      if (last.untilMs > nowMs()) return true;
      last.untilMs = restUntilMs();
      return false;
    },
    remember: (source: CredentialSource, proof: Proof) =>
      void refused.set(source, { proof: JSON.stringify(proof), untilMs: restUntilMs() }),
    forget: (source: CredentialSource) => void refused.delete(source),
  };
}
