import type { BrokerClient } from '../broker/client.ts';
import { troubleFault } from '../broker/results.ts';
import { insufficientClaims, insufficientScope, invalidToken } from '../core/challenge.ts';
import { Fault } from '../core/fault.ts';
import { Secret } from '../core/secret.ts';

type Options = {
  broker: Pick<BrokerClient, 'onBehalfOf'>;
  /** How clients name this API in a scope: its client id, or its Application ID URI. */
  api: string;
};

/**
 * Exchanges a user's token for one of the next API. Learn: "OAuth 2.0 On-Behalf-Of flow"; RFC 7523 section 2.1.
 * @throws Fault `insufficient_claims`, `insufficient_scope` or `invalid_token`, which this API's caller can mend;
 * `unavailable` while no token can be had; `server_error` if the broker refuses us.
 */
export type OnBehalfOf = (userToken: Secret, scope: string, traceId: string) => Promise<Secret>;

export function createOnBehalfOf({ broker, api }: Options): OnBehalfOf {
  return async (userToken, scope, traceId) => {
    const result = await broker.onBehalfOf({ userToken: userToken.reveal(), scopes: scope.split(' '), traceId });
    // As a resource server states it: RFC 6750 section 3.1.
    switch (result.kind) {
      case 'token':
        return new Secret(result.accessToken);
      case 'interaction_required':
        throw result.claims ? insufficientClaims(result.claims) : signInAgain();
      case 'consent_required':
        throw insufficientScope('The person has not consented to what this API needs.', `${api}/.default`);
      case 'login_required':
      case 'ended':
        throw signInAgain();
      case 'refused': {
        const { cause } = troubleFault(result);
        throw new Fault('server_error', `The token broker refuses this API: ${result.error}.`, { cause });
      }
      case 'unavailable':
      case 'throttled': {
        const { retryAfterSeconds, cause } = result;
        const description = 'A service this API needs is not available. Try again.';
        throw new Fault('unavailable', description, { retryAfterSeconds, cause });
      }
    }
  };
}

function signInAgain(): Fault {
  return invalidToken('The person has to sign in again.');
}
