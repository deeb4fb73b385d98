import { Refusal } from '../requests/aadsts.ts';
import type { ClaimsRequest } from '../requests/claims-request.ts';
import type { App } from './seed.ts';

/** The emulator has one Conditional Access policy; a challenge names it by id. */
const policyId = 'ca901d00-7e57-4000-8000-0000000000ca';
export const policyChallenge = JSON.stringify({ access_token: { capolids: { essential: true, values: [policyId] } } });

type Proof = { mfa: boolean; acrs: Iterable<string> };

/** Whether Conditional Access or the client's claims ask for more than this sign-in has shown. */
export function needsStepUp({ mfa, acrs }: Proof, resources: Iterable<App>, claims: ClaimsRequest): boolean {
  const held = new Set(acrs);
  const unmet = claims.acrs.some((acr) => !held.has(acr));
  return unmet || (!mfa && (claims.capolids || [...resources].some(({ policy }) => policy === 'mfa')));
}

/** @throws Refusal 53003 where a policy blocks, 50076 where it asks for a step-up; both with `claims` to go on with. */
export function requirePolicy(proof: Proof, resource: App, claims: ClaimsRequest): void {
  const name = { resource: resource.appId };
  if (resource.policy === 'block') throw new Refusal(53003, name, { claims: policyChallenge });
  if (!needsStepUp(proof, [resource], claims)) return;
  const byPolicy = resource.policy === 'mfa' && !proof.mfa;
  throw new Refusal(50076, name, { claims: byPolicy ? policyChallenge : claims.text });
}
