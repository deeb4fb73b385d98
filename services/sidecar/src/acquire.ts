import type { User } from '@onbehalf/node/api/protected-api';
import type { BrokerClient, TokenResult } from '@onbehalf/node/broker';
import { troubleFault } from '@onbehalf/node/broker/results';
import { insufficientClaims, invalidToken } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import type { ApiOptions } from './api-options.ts';

type Tokens = Pick<BrokerClient, 'appToken' | 'onBehalfOf'>;

/** Refusals by which Entra speaks of the request, not of us: Microsoft's sidecar says 401 to those. */
const ofTheRequest = /^(invalid_scope|invalid_target|invalid_request|unauthorized_client|access_denied)$/;

/**
 * The `Authorization` header for a downstream API: of the app where the options ask for it, else on behalf of the user.
 * @throws Fault 401 for what the caller or its user must do, with `claims` where Entra asks for some; `throttled` and
 * `unavailable` with the time to wait; `server_error` where the broker does not know this pod.
 */
export async function acquireHeader(tokens: Tokens, user: User | undefined, options: ApiOptions): Promise<string> {
  const { scopes, requestapptoken, acquiretokenoptions } = options;
  const { claims, correlationid } = acquiretokenoptions;
  const traceId = correlationid?.replaceAll('-', '').toLowerCase();
  const asked = { scopes, claims, traceId };
  if (requestapptoken) return toHeader(await tokens.appToken(asked));
  if (!user) throw invalidToken('There is no user: ask for an app token (RequestAppToken), or send a bearer token.');
  return toHeader(await tokens.onBehalfOf({ ...asked, userToken: user.token.reveal() }));
}

function toHeader(result: TokenResult): string {
  switch (result.kind) {
    case 'token':
      return `Bearer ${result.accessToken}`;
    case 'interaction_required':
      throw result.claims ? insufficientClaims(result.claims) : invalidToken('The user has to sign in again.');
    case 'consent_required':
      throw new Fault('invalid_token', 'The user, or an administrator, has not consented to these scopes.', {
        scope: result.scopes.join(' '),
      });
    case 'login_required':
    case 'ended':
      throw invalidToken('The user has to sign in again.');
    case 'refused':
      if (ofTheRequest.test(result.error))
        throw new Fault('invalid_token', `The token was refused: ${result.error}. See the log of the token broker.`);
      throw troubleFault(result);
    case 'throttled':
    case 'unavailable':
      throw troubleFault(result);
  }
}
