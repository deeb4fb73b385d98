import type { Client } from '../clients/clients.ts';
import type { Refusal } from './entra-errors.ts';

/** A person at a client, as MSAL finds the account in its cache. */
export type Account = { homeAccountId: string; environment: string; tenantId: string; localAccountId: string };

export type Acquired = {
  kind: 'token';
  accessToken: string;
  /** Scopes both requested and granted: `grantedScope`. */
  scope: string;
  issuedAtSeconds: number;
  expiresInSeconds: number;
  refreshInSeconds: number | undefined;
  /** MSAL's cache without tokens that expire: account, refresh token, app metadata. */
  msal: string;
  account: Account | undefined;
};

export type SignIn = Acquired & { idToken: string; account: Account; sub: string; sid: string | undefined };

export type Refused = { kind: 'refused'; refusal: Refusal };

export type Request = { scopes: string[]; claims?: string | undefined; traceId: string };

export type CodeRequest = Request & {
  code: string;
  redirectUri: string;
  codeVerifier: string;
  /** Undefined if the caller checks the nonce of the ID token itself. */
  nonce: string | undefined;
};

/** The port for all requests to Entra. A refused token is a value: methods that acquire tokens do not throw for it. */
export interface Entra {
  redeemCode(client: Client, request: CodeRequest): Promise<SignIn | Refused>;
  refresh(client: Client, request: Request & { account: Account; msal: string }): Promise<Acquired | Refused>;
  onBehalfOf(client: Client, request: Request & { assertion: string; tenantId: string }): Promise<Acquired | Refused>;
  appToken(client: Client, request: Request): Promise<Acquired | Refused>;
  /**
   * The authorization endpoint of a tenant, from its discovery document.
   * @throws Fault `unavailable` if the document was never read, `server_error` if it is of another tenant.
   */
  authorizationEndpoint(tenantId: string): Promise<string>;
}

export function refused(name: Refusal['class']): Refused {
  return { kind: 'refused', refusal: { class: name, known: true, members: {}, retryAfterSeconds: undefined } };
}
