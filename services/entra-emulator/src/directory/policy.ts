import { Refusal } from '../requests/aadsts.ts';
import type { ClaimsRequest } from '../requests/claims-request.ts';
import type { App } from './seed.ts';

/** The emulator has one Conditional Access policy; a challenge names it by id. */
const policyId = 'ca901d00-7e57-4000-8000-0000000000ca';
export const policyChallenge = JSON.stringify({ access_token: { capolids: { essential: true, values: [policyId] } } });

type SignInState = { mfa: boolean; acrs: Iterable<string> };

/** Whether Conditional Access or the client's claims require more than this sign-in has shown. */
export function needsStepUp({ mfa, acrs }: SignInState, resources: Iterable<App>, claims: ClaimsRequest): boolean {
  const held = new Set(acrs);
  const unmet = claims.acrs.some((acr) => !held.has(acr));
  return unmet || (!mfa && (claims.capolids || [...resources].some(({ policy }) => policy === 'mfa')));
}

/** @throws Refusal 53003 where a policy blocks, 50076 where it requires a step-up; both with `claims` for the client. */
export function requirePolicy(shown: SignInState, resource: App, claims: ClaimsRequest): void {
  const name = { resource: resource.appId };
  if (resource.policy === 'block') throw new Refusal(53003, name, { claims: policyChallenge });
  if (!needsStepUp(shown, [resource], claims)) return;
  const byPolicy = resource.policy === 'mfa' && !shown.mfa;
  throw new Refusal(50076, name, { claims: byPolicy ? policyChallenge : claims.text });
}
