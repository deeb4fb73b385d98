import type { AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { discoveryUrl } from '@onbehalf/node/core/keys/authority';
import { Outage } from '@onbehalf/node/core/outages';
import { toGuid } from '@onbehalf/node/core/telemetry/trace-context';
import { z } from 'zod';
import type { Client } from '../clients/clients.ts';
import { entraDeadlineMs } from '../lifetimes.ts';
import { CredentialFallback, type Presented } from './credential-fallback.ts';
import {
  type Account,
  type Acquired,
  type AgentUser,
  type AsAgent,
  type CodeRequest,
  type Entra,
  type Refused,
  type Request,
  refused,
  type SignIn,
} from './entra.ts';
import type { EntraGrant, Refusal } from './entra-errors.ts';
import { inEntraSpan } from './entra-span.ts';
import { MsalCache } from './msal-cache.ts';
import { createMsalClient } from './msal-client.ts';
import type { EntraNetwork } from './msal-http.ts';
import { type MsalAcquired, toAcquired } from './msal-result.ts';

type MsalOptions = {
  authorityHost: string;
  federatedFile: string | undefined;
  network: EntraNetwork;
  logger: Logger;
  nowMs?: () => number;
};

/** MSAL writes into its request, so each operation has its own. */
type MsalRequest = { scopes: string[]; claims?: string; correlationId: string };

type Operation = {
  client: Client;
  tenantId: string;
  grant: EntraGrant;
  request: Request;
  /** MSAL's cache before the operation. */
  msal?: string;
  /** The caller checks the nonce of the ID token, not MSAL. */
  hideNonce?: boolean;
  /** The person, app or agent that the token is for, if known. */
  subject?: string;
  /** A blueprint asks for its agent, and may be refused on the agent's account. */
  forAgent?: boolean;
  /** Calls the method of MSAL for this grant. */
  acquire: (cca: ConfidentialClientApplication, request: MsalRequest) => Promise<AuthenticationResult | null>;
};

type OneCredential = { source: Pick<Presented['source'], 'type'>; clientAuth: Presented['clientAuth'] };

const idTokenSchema = z.object({ sub: z.string().min(1), sid: z.string().optional() });

/** MSAL's error codes for a cache without a usable refresh token. */
const noRefreshToken = new Set([
  'no_tokens_found',
  'no_account_found',
  'no_account_in_silent_request',
  'refresh_token_expired',
]);

/** Entra through MSAL Node: each operation has a new ConfidentialClientApplication and the cache of one partition. */
export class MsalEntra implements Entra {
  readonly #authorityHost: string;
  readonly #network: EntraNetwork;
  readonly #logger: Logger;
  readonly #credentials: CredentialFallback;
  readonly #outage: Outage;

  constructor({ authorityHost, federatedFile, network, logger, nowMs = Date.now }: MsalOptions) {
    this.#authorityHost = authorityHost;
    this.#network = network;
    this.#logger = logger;
    this.#outage = new Outage('entra', logger);
    this.#credentials = new CredentialFallback({ authorityHost, federatedFile, logger, nowMs });
  }

  /** Reads every credential of the clients once and logs each unusable one, with its file and the reason. */
  async checkCredentials(clients: Iterable<Client>): Promise<void> {
    await this.#credentials.check(clients);
  }

  async redeemCode(client: Client, codeRequest: CodeRequest): Promise<SignIn | Refused> {
    const { code, redirectUri, codeVerifier, nonce, ...request } = codeRequest;
    const outcome = await this.#acquire({
      ...{ client, tenantId: client.tenantId, grant: 'authorization_code', request, hideNonce: nonce === undefined },
      acquire: (cca, msalRequest) =>
        cca.acquireTokenByCode({
          ...msalRequest,
          code,
          redirectUri,
          codeVerifier,
          ...(nonce !== undefined && { nonce }),
        }),
    });
    if (outcome.kind === 'refused') return outcome;
    const { result, account, idToken, ...rest } = outcome;
    const claims = idTokenSchema.safeParse(result.idTokenClaims).data;
    if (!account || !claims || idToken === undefined) return refused('code');
    return { ...rest, account, idToken, sub: claims.sub, sid: claims.sid };
  }

  async refresh(
    client: Client,
    { account, msal, ...request }: Request & { account: Account; msal: string },
  ): Promise<Acquired | Refused> {
    return await this.#acquire({
      ...{ client, tenantId: account.tenantId, grant: 'refresh_token', request, msal, subject: account.homeAccountId },
      acquire: (cca, msalRequest) =>
        cca.acquireTokenSilent({ ...msalRequest, account: { ...account, username: '' }, forceRefresh: true }),
    });
  }

  async onBehalfOf(
    client: Client,
    { assertion, tenantId, ...request }: Request & { assertion: string; tenantId: string },
  ): Promise<Acquired | Refused> {
    return await this.#acquire({
      ...{ client, tenantId, grant: 'on_behalf_of', request },
      acquire: (cca, msalRequest) =>
        cca.acquireTokenOnBehalfOf({ ...msalRequest, oboAssertion: assertion, skipCache: true }),
    });
  }

  async appToken(client: Client, { fmiPath, ...request }: Request & { fmiPath?: string }): Promise<Acquired | Refused> {
    const path = fmiPath === undefined ? {} : { fmiPath };
    return await this.#acquire({
      ...{ client, tenantId: client.tenantId, grant: 'client_credentials', request },
      ...{ subject: fmiPath ?? 'app', forAgent: fmiPath !== undefined },
      acquire: (cca, msalRequest) => cca.acquireTokenByClientCredential({ ...msalRequest, ...path, skipCache: true }),
    });
  }

  async agentUser(
    client: Client,
    { assertion, user, ...request }: Request & { as: AsAgent; assertion: string; user: AgentUser },
  ): Promise<Acquired | Refused> {
    return await this.#acquire({
      ...{ client, tenantId: client.tenantId, grant: 'user_fic', request },
      acquire: (cca, msalRequest) =>
        cca.acquireTokenByUserFederatedIdentityCredential({ ...msalRequest, assertion, ...user }),
    });
  }

  async authorizationEndpoint(tenantId: string): Promise<string> {
    return await this.#network.authorizationEndpoint(discoveryUrl(this.#authorityHost, tenantId));
  }

  async #acquire(operation: Operation): Promise<MsalAcquired | Refused> {
    const deadline = AbortSignal.timeout(entraDeadlineMs);
    const { as } = operation.request;
    if (as) {
      const asAgent = { source: { type: 'federated' as const }, clientAuth: { clientAssertion: as.assertion } };
      return await this.#send(operation, asAgent, deadline);
    }
    return await this.#credentials.send(operation, (presented) => this.#send(operation, presented, deadline));
  }

  /** One request with one credential. */
  async #send(operation: Operation, { source, clientAuth }: OneCredential, deadline: AbortSignal) {
    const { client, tenantId, grant, request, hideNonce, acquire } = operation;
    const { module, wire } = this.#network.operation(grant, deadline, hideNonce);
    const cache = new MsalCache(operation.msal);
    const clientId = request.as?.agent ?? client.clientId;
    const authority = { host: this.#authorityHost, tenantId };
    const cca = createMsalClient({ clientId, authority, clientAuth, cache, module });
    try {
      const result = await inEntraSpan(grant, source.type, wire, () => acquire(cca, toMsalRequest(request)));
      return toAcquired(result, wire, cache.content, request.scopes);
    } catch (error) {
      return { kind: 'refused' as const, refusal: wire.refusal ?? this.#toRefusal(error, grant, client) };
    } finally {
      if (wire.responded) this.#outage.up();
      if (wire.failure !== undefined) this.#outage.down(wire.failure);
    }
  }

  /** For an error of MSAL itself, before or after the request. Its message may quote tokens: only its code is used. */
  #toRefusal(error: unknown, grant: EntraGrant, client: Client): Refusal {
    const code = (error as { errorCode?: unknown }).errorCode;
    if (noRefreshToken.has(String(code))) return refused('sign_in').refusal;
    this.#logger.error({
      ...{ event: 'entra.unexpected', client: client.name, msal: String(code), error },
    });
    return refused(grant === 'authorization_code' ? 'code' : 'configuration').refusal;
  }
}

function toMsalRequest({ scopes, claims, traceId }: Request): MsalRequest {
  return { scopes: [...scopes], correlationId: toGuid(traceId), ...(claims !== undefined && { claims }) };
}
