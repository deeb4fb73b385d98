import { setTimeout as delay } from 'node:timers/promises';
import {
  type AuthenticationResult,
  ConfidentialClientApplication,
  type Configuration,
  type ICachePlugin,
  LogLevel,
} from '@azure/msal-node';
import { discoveryUrl } from '@onbehalf/chassis/auth/authority';
import { toGuid } from '@onbehalf/chassis/telemetry/correlation';
import { describeError, type Logger } from '@onbehalf/chassis/telemetry/logger';
import { secondsSince } from '@onbehalf/chassis/telemetry/measures';
import { errorType, fail, inSpan } from '@onbehalf/chassis/telemetry/tracing';
import { z } from 'zod';
import type { Client } from '../clients/clients.ts';
import { CredentialCooldown } from '../credentials/cooldown.ts';
import { type ClientAuth, type CredentialSource, createCredential } from '../credentials/credentials.ts';
import { credentialRetryMs, entraDeadlineMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import { type EntraGrant, mayBeTransient, type Refusal, tokenSchema } from './entra-errors.ts';
import { grantedScope } from './granted-scope.ts';
import type { EntraNetwork, Wire } from './msal-http.ts';

/** A person at a client, as MSAL finds them again in its cache. */
export type Account = { homeAccountId: string; environment: string; tenantId: string; localAccountId: string };

export type Acquired = {
  kind: 'token';
  accessToken: string;
  /** What was asked and given: `grantedScope`. */
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

/** One operation: who asks where and for what, until when, and the call of MSAL's that does it. */
type Operation = {
  client: Client;
  tenantId: string;
  grant: EntraGrant;
  asked: Asked;
  msal?: string;
  /** The caller checks the nonce of the ID token, not MSAL. */
  hideNonce?: boolean;
  /** The person or app that the token is for, if known. */
  subject?: string;
  deadline: AbortSignal;
  work: (cca: ConfidentialClientApplication, request: Request) => Promise<AuthenticationResult | null>;
};
/** A credential as it was shown to Entra. */
type Shown = { source: CredentialSource; clientAuth: ClientAuth };
type Answered = (Acquired & { result: AuthenticationResult; idToken: string | undefined }) | Refused;

type Asked = { scopes: string[]; claims?: string | undefined; traceId: string };

/** MSAL writes into its request: each operation gets its own. */
type Request = { scopes: string[]; claims?: string; correlationId: string };

function requestOf({ scopes, claims, traceId }: Asked): Request {
  return { scopes: [...scopes], correlationId: toGuid(traceId), ...(claims !== undefined && { claims }) };
}

/** The only door to Entra. No method that acquires throws for what Entra answers: a refusal is a value. */
export interface Entra {
  redeemCode(
    client: Client,
    asked: Asked & { code: string; redirectUri: string; codeVerifier: string; nonce: string | undefined },
  ): Promise<SignIn | Refused>;
  refresh(client: Client, asked: Asked & { account: Account; msal: string }): Promise<Acquired | Refused>;
  onBehalfOf(client: Client, asked: Asked & { assertion: string; tenantId: string }): Promise<Acquired | Refused>;
  appToken(client: Client, asked: Asked): Promise<Acquired | Refused>;
  /**
   * Where people of a tenant sign in, as its discovery document says.
   * @throws Fault `unavailable` while that was never read, `server_error` if it is not the tenant's.
   */
  authorizationEndpoint(tenantId: string): Promise<string>;
}

type EntraOptions = {
  authorityHost: string;
  federatedFile: string | undefined;
  network: EntraNetwork;
  logger: Logger;
  nowMs?: () => number;
};

/** Clouds whose metadata MSAL knows by heart; any other host has to be declared known. */
const microsoftHosts = new Set([
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
  'login.chinacloudapi.cn',
]);

const idTokenSchema = z.object({ sub: z.string().min(1), sid: z.string().optional() });

/** How often a refused credential is shown again: as its file holds it now, and to another of Entra's servers. */
const fileRetries = 1;
const serverRetries = 2;

/** MSAL's words for "there is nothing in this cache to refresh with". */
const nothingToRefresh = new Set([
  'no_tokens_found',
  'no_account_found',
  'no_account_in_silent_request',
  'refresh_token_expired',
]);

/** Entra through MSAL Node: a fresh ConfidentialClientApplication for every operation, filled from one partition. */
export function createEntra({
  authorityHost,
  federatedFile,
  network,
  logger,
  nowMs = Date.now,
}: EntraOptions): Entra & {
  /** Looks once at every credential of the clients and logs each that cannot be used, with its file and the reason. */
  checkCredentials(clients: Iterable<Client>): Promise<void>;
} {
  const sources = new WeakMap<Client, CredentialSource[]>();
  const cooldown = new CredentialCooldown(nowMs);
  const { host } = new URL(authorityHost);

  function sourcesOf(client: Client): CredentialSource[] {
    const known = sources.get(client);
    if (known) return known;
    const made = client.credentials.map((one) => {
      const source: CredentialSource = createCredential(one, federatedFile, nowMs, (error) =>
        logger.error(
          { event: 'credential.broken', ...factsOf(client, source), error },
          'a credential is broken: keeping the last good one',
        ),
      );
      return source;
    });
    sources.set(client, made);
    return made;
  }

  async function checkCredentials(clients: Iterable<Client>): Promise<void> {
    for (const client of clients) {
      for (const source of sourcesOf(client)) await readClientAuth(client, client.tenantId, source);
    }
  }

  /** Undefined if the credential cannot be used, which the log is told. */
  async function readClientAuth(
    client: Client,
    tenantId: string,
    source: CredentialSource,
  ): Promise<ClientAuth | undefined> {
    try {
      return await source.clientAuth(client.clientId, `${authorityHost}/${tenantId}/oauth2/v2.0/token`);
    } catch (error) {
      logger.error({ event: 'credential.unusable', ...factsOf(client, source), error });
      return undefined;
    }
  }

  /** One call with one credential. */
  async function ask(operation: Operation, { source, clientAuth }: Shown): Promise<Answered> {
    const { client, tenantId, grant, asked, msal, hideNonce, deadline, work } = operation;
    const { module, wire } = network.operation(grant, deadline, hideNonce);
    const cache = memoryCache(msal);
    const observed = observe(grant, source.type, wire);
    const cca = new ConfidentialClientApplication({
      auth: {
        clientId: client.clientId,
        authority: `${authorityHost}/${tenantId}`,
        ...clientAuth,
        clientCapabilities: ['CP1'],
        ...(!microsoftHosts.has(host) && { knownAuthorities: [host] }),
      },
      cache: { cachePlugin: cache.plugin },
      system: { networkClient: module, loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false } },
    } satisfies Configuration);
    try {
      const result = await observed(() => work(cca, requestOf(asked)));
      return acquired(result, wire, cache.content(), asked);
    } catch (error) {
      return { kind: 'refused', refusal: wire.refusal ?? refusalOfMsal(error, grant, client) };
    }
  }

  /** What a credential may be shown with now; undefined if it cannot be used or is cooling down. */
  async function proofOf({ client, tenantId }: Operation, source: CredentialSource): Promise<Shown | undefined> {
    const clientAuth = await readClientAuth(client, tenantId, source);
    return clientAuth === undefined || cooldown.isCoolingDown(source, tenantId, clientAuth)
      ? undefined
      : { source, clientAuth };
  }

  /**
   * Asks with one credential. A refusal that speaks of it is answered with what its file holds now, and of a credential
   * that Entra took lately, where single servers may err, a little later too.
   */
  async function askWith(operation: Operation, source: CredentialSource) {
    const { tenantId } = operation;
    let last: { shown: Shown; answer: Answered } | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const shown = await proofOf(operation, source);
      if (!shown) return last;
      const answer = await ask(operation, shown);
      last = { shown, answer };
      if (answer.kind === 'token' || showsThatTaken.has(answer.refusal.class)) cooldown.accept(source, tenantId);
      if (answer.kind === 'token' || answer.refusal.class !== 'credential') return last;
      const { refusal } = answer;
      const passes = mayBeTransient(refusal) && cooldown.wasAcceptedRecently(source);
      logCredential(operation, source, refusal, passes);
      // What no rule names says nothing of the credential yet.
      if (!refusal.known) return last;
      if (attempt === (passes ? serverRetries : fileRetries)) {
        if (passes) return { shown, answer: { ...answer, refusal: { ...refusal, class: 'transient' as const } } };
        cooldown.refuse(source, tenantId, shown.clientAuth, operation.subject);
        return last;
      }
      source.renew();
      if (passes) await delay(credentialRetryMs);
    }
  }

  async function operate(asked: Omit<Operation, 'deadline'>): Promise<Answered> {
    const operation = { ...asked, deadline: AbortSignal.timeout(entraDeadlineMs) };
    const doubted: Shown[] = [];
    let last: Refused | undefined;
    for (const source of sourcesOf(operation.client)) {
      const tried = await askWith(operation, source);
      if (!tried) continue;
      const { shown, answer } = tried;
      if (answer.kind === 'token') {
        // The same request with another credential shows that the refusals were due to these.
        for (const one of doubted) cooldown.start(one.source, operation.tenantId, one.clientAuth);
        return answer;
      }
      last = answer;
      if (answer.refusal.class !== 'credential' && !mayBeTransient(answer.refusal)) return answer;
      doubted.push(shown);
    }
    return last ?? refused('credential');
  }

  function logCredential({ client }: Operation, source: CredentialSource, refusal: Refusal, passes: boolean): void {
    const { error_codes, correlation_id } = refusal.members;
    const facts = { client: client.name, credential: source.type, aadsts: error_codes, correlation_id };
    if (refusal.known && !passes) {
      logger.error({ event: 'credential.refused', ...facts }, 'Entra ID refuses our credential');
    } else logger.warn({ event: 'credential.doubted', ...facts });
  }

  /** MSAL itself refused, before or after the call. Its messages may quote tokens, so only its code is looked at. */
  function refusalOfMsal(error: unknown, grant: EntraGrant, client: Client): Refusal {
    const code = (error as { errorCode?: unknown }).errorCode;
    if (nothingToRefresh.has(String(code))) return refused('sign_in').refusal;
    logger.error({ event: 'entra.unexpected', client: client.name, msal: String(code), error: describeError(error) });
    return refused(grant === 'authorization_code' ? 'code' : 'configuration').refusal;
  }

  return {
    checkCredentials,
    async redeemCode(client, { code, redirectUri, codeVerifier, nonce, ...asked }) {
      const answer = await operate({
        ...{ client, tenantId: client.tenantId, grant: 'authorization_code', asked, hideNonce: nonce === undefined },
        work: (cca, request) =>
          cca.acquireTokenByCode({
            ...request,
            code,
            redirectUri,
            codeVerifier,
            ...(nonce !== undefined && { nonce }),
          }),
      });
      if (answer.kind === 'refused') return answer;
      const { result, account, idToken, ...rest } = answer;
      const claims = idTokenSchema.safeParse(result.idTokenClaims).data;
      if (!account || !claims || idToken === undefined) return refused('code');
      return { ...rest, account, idToken, sub: claims.sub, sid: claims.sid };
    },
    refresh: (client, { account, msal, ...asked }) =>
      operate({
        ...{ client, tenantId: account.tenantId, grant: 'refresh_token', asked, msal, subject: account.homeAccountId },
        work: (cca, request) =>
          cca.acquireTokenSilent({ ...request, account: { ...account, username: '' }, forceRefresh: true }),
      }),
    onBehalfOf: (client, { assertion, tenantId, ...asked }) =>
      operate({
        ...{ client, tenantId, grant: 'on_behalf_of', asked },
        work: (cca, request) => cca.acquireTokenOnBehalfOf({ ...request, oboAssertion: assertion, skipCache: true }),
      }),
    appToken: (client, asked) =>
      operate({
        ...{ client, tenantId: client.tenantId, grant: 'client_credentials', asked, subject: 'app' },
        work: (cca, request) => cca.acquireTokenByClientCredential({ ...request, skipCache: true }),
      }),
    authorizationEndpoint: (tenantId) => network.authorizationEndpoint(discoveryUrl(authorityHost, tenantId)),
  };
}

function factsOf({ name }: Client, { type, file }: CredentialSource) {
  return { client: name, credential: type, file };
}

/** Refusals that Entra comes to after it has taken the credential. */
const showsThatTaken = new Set<Refusal['class']>([
  'interaction',
  'consent',
  'sign_in',
  'revoked',
  'assertion',
  'code',
  'scope',
] as const);

/** Answers of Entra's that are no failure: the person has something to do. */
const expected = new Set<Refusal['class']>(['interaction', 'consent', 'sign_in']);

/** Runs one operation as a span and a measurement; what Entra said is in `wire`, since MSAL drops most of it. */
function observe(grant: EntraGrant, credential: string, wire: Wire) {
  const known = { 'onbehalf.grant': grant, 'onbehalf.credential': credential };
  return async <T>(work: () => Promise<T>): Promise<T> => {
    const startedAtMs = performance.now();
    const settled = await inSpan(
      'token.idp.request',
      async (span) => {
        const [outcome] = await Promise.allSettled([work()]);
        const { refusal, requestId } = wire;
        const [code] = refusal?.members.error_codes ?? [];
        span?.setAttributes({
          'onbehalf.entra.class': refusal?.class ?? 'ok',
          ...(code !== undefined && { 'onbehalf.entra.error_code': code }),
          ...(requestId !== undefined && { 'onbehalf.entra.request_id': requestId }),
        });
        if (span && outcome.status === 'rejected' && !(refusal && expected.has(refusal.class))) {
          fail(span, refusal?.class ?? errorType(outcome.reason));
        }
        return outcome;
      },
      { attributes: known },
    );
    const { refusal } = wire;
    const measured = { ...known, 'onbehalf.entra.class': refusal?.class ?? 'ok' };
    measure('onbehalf.entra.request.duration', secondsSince(startedAtMs), measured);
    if (refusal && !refusal.known) measure('onbehalf.entra.unclassified', 1, { 'onbehalf.grant': grant });
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  };
}

function refused(name: Refusal['class']): Refused {
  return { kind: 'refused', refusal: { class: name, known: true, members: {}, retryAfterSeconds: undefined } };
}

function acquired(result: AuthenticationResult | null, wire: Wire, msal: string, asked: Asked) {
  if (!result || wire.sentAtMs === undefined) throw new Error('MSAL answered without a call');
  const answer = tokenSchema.parse(wire.token);
  const { account } = result;
  return {
    kind: 'token' as const,
    result,
    accessToken: answer.access_token,
    scope: grantedScope(asked.scopes, answer),
    issuedAtSeconds: Math.floor(wire.sentAtMs / 1_000),
    expiresInSeconds: answer.expires_in,
    refreshInSeconds: answer.refresh_in,
    msal,
    /** As it came: MSAL may have seen another. */
    idToken: answer.id_token,
    account: account
      ? {
          homeAccountId: account.homeAccountId,
          environment: account.environment,
          tenantId: account.tenantId,
          localAccountId: account.localAccountId,
        }
      : undefined,
  };
}

/**
 * The cache plugin of one operation. It never waits: the blob was read before and is written after, under the lease.
 * Access and ID tokens are dropped from it: they are kept as records of their own, and would only grow it.
 */
function memoryCache(blob: string | undefined): { plugin: ICachePlugin; content(): string } {
  let content = blob ?? '';
  const plugin: ICachePlugin = {
    async beforeCacheAccess({ tokenCache }) {
      if (content !== '') tokenCache.deserialize(content);
    },
    async afterCacheAccess({ tokenCache, cacheHasChanged }) {
      if (!cacheHasChanged) return;
      const { Account, RefreshToken, AppMetadata } = JSON.parse(tokenCache.serialize());
      content = JSON.stringify({ Account, IdToken: {}, AccessToken: {}, RefreshToken, AppMetadata });
    },
  };
  return { plugin, content: () => content };
}
