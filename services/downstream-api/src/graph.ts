import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { claimsChallenge, insufficientClaims } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { tellOutages } from '@onbehalf/node/core/outages';
import type { Secret } from '@onbehalf/node/core/secret';
import { z } from 'zod';
import { call } from './call.ts';
import type { OnBehalfOf } from './on-behalf-of.ts';

const deadlineMs = 5_000;

const profile = z.object({
  displayName: z.string().nullable(),
  userPrincipalName: z.string(),
  mail: z.string().nullish(),
});

export type Graph = ReturnType<typeof createGraph>;

type Options = { baseUrl: string; scope: string; onBehalfOf: OnBehalfOf; logger: Logger };

/** Microsoft Graph, asked on behalf of the person whose token came in. */
export function createGraph({ baseUrl, scope, onBehalfOf, logger }: Options) {
  const ask = tellOutages('microsoft-graph', logger, call);
  return {
    /**
     * The person's own profile. Learn: "Get a user".
     * @throws Fault as `OnBehalfOf`, and `insufficient_claims` if Graph itself challenges the token (CAE).
     */
    async me(userToken: Secret, traceId: string) {
      const token = await onBehalfOf(userToken, scope, traceId);
      const headers = { Authorization: `Bearer ${token.reveal()}` };
      const { status, challenge, body } = await ask(`${baseUrl}/v1.0/me`, { headers }, deadlineMs);
      if (status === 200) return profile.parse(body);
      const claims = claimsChallenge(challenge);
      // The person's sign-in no longer satisfies Graph: only a new sign-in can change that.
      if (claims) throw insufficientClaims(claims);
      if (status === 403) throw new Fault('forbidden', 'Microsoft Graph refuses this person.');
      throw new Fault('server_error', `Microsoft Graph responded with ${status}.`);
    },
  };
}
