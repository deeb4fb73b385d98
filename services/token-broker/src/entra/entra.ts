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

/** An agent as the client of a request, with the token that its blueprint got for it: its client assertion. */
export type AsAgent = { agent: string; assertion: string };

/** The user that belongs to an agent. */
export type AgentUser = { username: string } | { userObjectId: string };

export type Request = { scopes: string[]; claims?: string | undefined; traceId: string; as?: AsAgent | undefined };

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
  /** `fmiPath`: the agent for which its blueprint asks. */
  appToken(client: Client, request: Request & { fmiPath?: string }): Promise<Acquired | Refused>;
  /** `assertion`: the agent's own token for the exchange. */
  agentUser(
    client: Client,
    request: Request & { as: AsAgent; assertion: string; user: AgentUser },
  ): Promise<Acquired | Refused>;
  /**
   * The authorization endpoint of a tenant, from its discovery document.
   * @throws Fault `unavailable` if the document was never read, `server_error` if it is of another tenant.
   */
  authorizationEndpoint(tenantId: string): Promise<string>;
}

export function refused(name: Refusal['class']): Refused {
  return { kind: 'refused', refusal: { class: name, known: true, members: {}, retryAfterSeconds: undefined } };
}
