import type { AuthenticationResult } from '@azure/msal-node';
import type { Account, Acquired } from './entra.ts';
import { tokenSchema } from './entra-errors.ts';
import { grantedScope } from './granted-scope.ts';
import type { Wire } from './msal-http.ts';

export type MsalAcquired = Acquired & { result: AuthenticationResult; idToken: string | undefined };

/**
 * Lifetimes and tokens come from the response, since MSAL computes its own.
 * @throws Error if MSAL gave a result without a request.
 */
export function toAcquired(
  result: AuthenticationResult | null,
  wire: Wire,
  msal: string,
  scopes: string[],
): MsalAcquired {
  if (!result || wire.sentAtMs === undefined) throw new Error('MSAL gave a result without a request');
  const response = tokenSchema.parse(wire.token);
  return {
    kind: 'token',
    result,
    accessToken: response.access_token,
    scope: grantedScope(scopes, response),
    issuedAtSeconds: Math.floor(wire.sentAtMs / 1_000),
    expiresInSeconds: response.expires_in,
    refreshInSeconds: response.refresh_in,
    msal,
    // From the response: MSAL may have seen one without its nonce.
    idToken: response.id_token,
    account: result.account ? toAccount(result.account) : undefined,
  };
}

function toAccount({ homeAccountId, environment, tenantId, localAccountId }: Account): Account {
  return { homeAccountId, environment, tenantId, localAccountId };
}
