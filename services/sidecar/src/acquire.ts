import type { User } from '@onbehalf/node/api/protected-api';
import type { BrokerClient, Token, TokenResult } from '@onbehalf/node/broker';
import { troubleFault } from '@onbehalf/node/broker/results';
import { insufficientClaims, invalidToken } from '@onbehalf/node/core/challenge';
import type { Fault } from '@onbehalf/node/core/fault';
import { outsideTrace } from '@onbehalf/node/core/telemetry/tracing';
import type { Acting } from './agent.ts';
import type { ApiOptions } from './api-options.ts';

export type Tokens = Pick<BrokerClient, 'appToken' | 'onBehalfOf' | 'agentUser'>;
type Asked = Acting & { options: ApiOptions; user: User | undefined; traceId: string };

/** Refusals by which Entra speaks of the request, not of us: Microsoft's sidecar says 401 to those. */
const ofTheRequest = /^(invalid_scope|invalid_target|invalid_request|unauthorized_client|access_denied)$/;

/**
 * The `Authorization` header for a downstream API: of the app where the options ask for it, else of the agent's user where
 * one is named, else on behalf of the user; through an agent where one is named. `claims`: those that the API asks for,
 * in place of the options' own.
 * @throws Fault 401 for what the caller or its user must do, with `claims` where Entra asks for some; `throttled` and
 * `unavailable` with the time to wait; `server_error` where the broker does not know this pod.
 */
export async function acquireHeader(tokens: Tokens, asked: Asked, claims?: string): Promise<string> {
  const { options, user, agent, agentUser, traceId } = asked;
  const { scopes = [], acquiretokenoptions: own = {} } = options;
  const wanted = { scopes, claims: claims ?? own.claims, traceId, ...(agent && { agent }) };
  const acquire = () => {
    if (options.requestapptoken) return tokens.appToken(wanted);
    if (agent && agentUser) return tokens.agentUser({ ...wanted, agent, ...agentUser });
    if (!user) throw invalidToken('There is no user: ask for an app token (RequestAppToken), or send a bearer token.');
    return tokens.onBehalfOf({ ...wanted, userToken: user.token.reveal() });
  };
  // The caller's own correlation id goes to Entra ID in place of the trace's.
  const result = await (own.correlationid ? outsideTrace(acquire) : acquire());
  if (result.kind !== 'token') throw toFault(result);
  return `Bearer ${result.accessToken}`;
}

function toFault(result: Exclude<TokenResult, Token>): Fault {
  if ('retryAfterSeconds' in result) return troubleFault(result);
  const told = { error_codes: result.errorCodes, correlation_id: result.correlationId };
  if (result.kind === 'refused') {
    if (!ofTheRequest.test(result.error)) return troubleFault(result).with(told);
    return invalidToken(`The token was refused: ${result.error}. See the log of the token broker.`).with(told);
  }
  if (result.kind === 'consent_required') {
    const consent = invalidToken('The user, or an administrator, has not consented to these scopes.');
    return consent.with({ ...told, scope: result.scopes.join(' ') });
  }
  const { claims } = result.kind === 'interaction_required' ? result : {};
  const fault = claims ? insufficientClaims(claims) : invalidToken('The user has to sign in again.');
  return fault.with({ ...told, claims });
}
