import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { insufficientClaims, insufficientScope, invalidToken } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { tellOutages } from '@onbehalf/node/core/outages';
import { Secret } from '@onbehalf/node/core/secret';
import { toOurs } from '@onbehalf/node/core/telemetry/client-span';
import { z } from 'zod';
import { call } from './call.ts';

/** Longer than the broker's own 8 s for Entra, so that its response reaches us. */
const deadlineMs = 10_000;

const granted = z.object({ access_token: z.string().min(1) });
const refused = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/), claims: z.string().optional() });

type Options = {
  brokerUrl: string;
  /** Gives this pod's ServiceAccount token: RFC 7523 section 2.2. */
  clientAssertion: () => Promise<string>;
  /** This API's client id. */
  audience: string;
  logger: Logger;
};

/**
 * Exchanges a user's token for one of the next API. Learn: "OAuth 2.0 On-Behalf-Of flow"; RFC 7523 section 2.1.
 * @throws Fault `insufficient_claims`, `insufficient_scope` or `invalid_token`, which this API's caller can mend;
 * `unavailable` while no token can be had; `server_error` if the broker refuses us.
 */
export type OnBehalfOf = (userToken: Secret, scope: string, traceId: string) => Promise<Secret>;

export function createOnBehalfOf({ brokerUrl, clientAssertion, audience, logger }: Options): OnBehalfOf {
  const ask = tellOutages('token-broker', logger, call);
  return async (userToken, scope, traceId) => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: userToken.reveal(),
      requested_token_use: 'on_behalf_of',
      scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await clientAssertion(),
    });
    const response = await toOurs(traceId, (headers) =>
      ask(`${brokerUrl}/oauth2/token`, { method: 'POST', headers, body: form }, deadlineMs),
    );
    if (response.status === 200) return new Secret(granted.parse(response.body).access_token);
    throw toFault(refused.parse(response.body), audience);
  };
}

/** The broker's refusal as a resource server states it: RFC 6750 section 3.1. */
function toFault({ error, claims }: z.output<typeof refused>, audience: string): Fault {
  switch (error) {
    case 'interaction_required':
      return claims ? insufficientClaims(claims) : invalidToken('The person has to sign in again.');
    case 'consent_required':
      return insufficientScope('The person has not consented to what this API needs.', `${audience}/.default`);
    case 'login_required':
    case 'invalid_grant':
      return invalidToken('The person has to sign in again.');
    default:
      return new Fault('server_error', `The token broker refuses this API: ${error}.`);
  }
}
