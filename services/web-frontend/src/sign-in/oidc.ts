import { AsyncLocalStorage } from 'node:async_hooks';
import { cloudOf, discoveryUrl, isManyTenants, issuersOf } from '@onbehalf/chassis/auth/authority';
import { Fault } from '@onbehalf/chassis/fault';
import { tellOutages } from '@onbehalf/chassis/life/outages';
import { toOurs } from '@onbehalf/chassis/telemetry/client-span';
import { newTraceId, toGuid } from '@onbehalf/chassis/telemetry/correlation';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import * as openid from 'openid-client';
import { z } from 'zod';
import { clientAssertion } from '../broker/broker.ts';
import { connecting, type Fetch, laterFault, type Upstream, unavailable } from '../broker/http-client.ts';
import { brokerDeadlineMs, discovery } from '../lifetimes.ts';
import { Refreshable } from './refreshable.ts';

type EntraOptions = {
  authorityHost: string;
  /** A tenant's GUID, or `organizations` or `common` for people of any. */
  tenantId: string;
  clientId: string;
  redirectUri: string;
  responseMode: 'query' | 'form_post';
  brokerUrl: string;
  /** Calls to the broker, and calls to Entra itself. */
  upstream: Upstream;
  fetch: Fetch;
  assertion: () => Promise<string>;
  logger: Logger;
  nowMs: () => number;
};

/** Whose account it is: `client_info` of Entra's answer, base64url. It only picks the issuer that is then insisted on. */
const clientInfoSchema = z.object({ utid: z.guid() });

/** Entra's outages are longer than ours. */
const entraUnavailable = (cause?: unknown) => unavailable(cause, 5);

/** Names are for showing, and the session cookie has to fit into 4 KB. */
const shown = z.string().transform((text) => text.slice(0, 160));

/** What sign-in rests on in Entra's ID token. Learn: "ID token claims reference". */
const idTokenSchema = z.object({
  oid: z.string().min(1).max(64),
  tid: z.string().min(1).max(64),
  sid: z.string().optional(),
  name: shown.optional(),
  preferred_username: shown.optional(),
  login_hint: z.string().max(512).optional().catch(undefined),
});

/** The secrets of one sign-in attempt: RFC 6749 state, OIDC nonce, RFC 7636 verifier. */
export type Proofs = { state: string; nonce: string; verifier: string };

type AuthorizeRequest = Proofs & {
  scope: string;
  traceId: string;
  prompt?: string | undefined;
  loginHint?: string | undefined;
  domainHint?: string | undefined;
  claims?: string | undefined;
};

/** What Entra's answer came to. `code_unusable`: starting over once may help; `refused`: Entra's own error word. */
export type Redeemed =
  | { kind: 'signed_in'; sessionToken: string; person: z.output<typeof idTokenSchema> }
  | { kind: 'refused'; error: string }
  | { kind: 'code_unusable' }
  | { kind: 'not_ours'; cause: unknown };

/**
 * Entra as an OpenID provider whose token endpoint is the broker: openid-client checks state, `iss`, nonce, PKCE and the
 * ID token with its signature. Discovery happens when first needed and recovers by itself.
 */
export function createEntra(options: EntraOptions) {
  const { authorityHost, tenantId, clientId, brokerUrl, redirectUri } = options;
  const tokenEndpoint = `${brokerUrl}/oauth2/token`;
  const manyTenants = isManyTenants(tenantId);
  /** As discovered, else as Entra's own clouds have it. */
  const discoveredIssuer = () =>
    configured.last?.serverMetadata().issuer ?? `${authorityHost}/${manyTenants ? '{tenantid}' : tenantId}/v2.0`;
  const issuerOf = (tid: string) => issuersOf(discoveredIssuer(), tenantId)(tid);
  /** openid-client hands its fetch no word of the request it works for. */
  const flow = new AsyncLocalStorage<string>();

  const clientAuth: openid.ClientAuth = async (_as, _client, body) => {
    for (const [name, value] of Object.entries(await clientAssertion(options.assertion))) body.set(name, value);
  };

  const fetchFor: openid.CustomFetch = async (url, { headers, ...init }) => {
    if (url !== tokenEndpoint) return fromEntra(url, { ...(init as RequestInit), headers });
    // A code is good for one attempt.
    const limits = { deadlineMs: brokerDeadlineMs.token, once: true };
    const response = await toOurs(flow.getStore() ?? newTraceId(), (traced) =>
      options.upstream(url, { ...(init as RequestInit), headers: { ...headers, ...traced } }, limits),
    );
    const later = laterFault(response, 'There are too many sign-in requests right now, try again.');
    if (later) throw later;
    return response;
  };

  async function fromEntra(url: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.timeout(discovery.deadlineMs);
    const response = await connecting(() => options.fetch(url, { ...init, signal })).catch((error) => {
      throw entraUnavailable(error);
    });
    if (response.status >= 500 || response.status === 429) throw entraUnavailable();
    return response;
  }

  // Plain http: the broker inside its cluster, and the emulator's pages.
  const insecure = [brokerUrl, authorityHost, redirectUri].some((url) => url.startsWith('http:'));
  const extensions = insecure ? [openid.allowInsecureRequests] : [];

  async function discover(): Promise<openid.Configuration> {
    // By the document's own address openid-client leaves the issuer to us: that of many tenants is a template.
    const url = new URL(discoveryUrl(authorityHost, tenantId));
    const found = await openid.discovery(url, clientId, undefined, undefined, {
      execute: extensions,
      [openid.customFetch]: fetchFor,
    });
    const server = found.serverMetadata();
    issuersOf(server.issuer, tenantId);
    return configure(server, server.issuer);
  }

  function configure(found: openid.ServerMetadata, issuer: string): openid.Configuration {
    const server: openid.ServerMetadata = Object.assign(found, { issuer, token_endpoint: tokenEndpoint });
    const client = { id_token_signed_response_alg: 'RS256' };
    const configuration = new openid.Configuration(server, clientId, client, clientAuth);
    for (const extend of [...extensions, openid.enableNonRepudiationChecks]) extend(configuration);
    configuration[openid.customFetch] = fetchFor;
    configuration.timeout = brokerDeadlineMs.token / 1_000;
    return configuration;
  }

  /** Entra as the one issuer that the account's tenant is; the signing keys are the same for all. */
  function forTenantOf(all: openid.Configuration, clientInfo: string | null): openid.Configuration {
    const json: unknown = JSON.parse(Buffer.from(clientInfo ?? '', 'base64url').toString());
    const one = configure(all.serverMetadata(), issuerOf(clientInfoSchema.parse(json).utid));
    const keys = openid.getJwksCache(all);
    if (keys) openid.setJwksCache(one, keys);
    return one;
  }

  const told = tellOutages('entra', options.logger, () =>
    discover().catch((error) => {
      throw entraUnavailable(error);
    }),
  );
  const configured = new Refreshable({ load: told, ...discovery, nowMs: options.nowMs, unavailable: entraUnavailable });

  return {
    configured,

    /** Microsoft Graph of the authority's cloud: the resource of a scope without one. */
    graph: cloudOf(authorityHost).graph,

    /** Whether an `iss` is the one we sign in with. */
    isIssuer: (iss: string): boolean => {
      const tenant = manyTenants ? (iss.split('/').at(-2) ?? '') : tenantId;
      return iss === issuerOf(tenant) && z.guid().safeParse(tenant).success;
    },

    /** Where to send the browser. @throws Fault `unavailable` while Entra was never reached. */
    async authorizeUrl(request: AuthorizeRequest): Promise<URL> {
      const parameters = {
        redirect_uri: redirectUri,
        response_mode: options.responseMode,
        scope: request.scope,
        state: request.state,
        nonce: request.nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(request.verifier),
        code_challenge_method: 'S256',
        'client-request-id': toGuid(request.traceId),
        prompt: request.prompt,
        login_hint: request.loginHint,
        domain_hint: request.domainHint,
        claims: request.claims,
        client_info: manyTenants ? '1' : undefined,
      };
      const present = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
      return openid.buildAuthorizationUrl(await configured.get(), Object.fromEntries(present));
    },

    /** Checks an authorization response and redeems its code at the broker. @throws Fault while that is impossible. */
    async redeem(response: URLSearchParams, proofs: Proofs, traceId: string): Promise<Redeemed> {
      const all = await configured.get();
      const checks = { expectedState: proofs.state, expectedNonce: proofs.nonce, pkceCodeVerifier: proofs.verifier };
      try {
        const configuration = manyTenants ? forTenantOf(all, response.get('client_info')) : all;
        const tokens = await flow.run(traceId, () =>
          openid.authorizationCodeGrant(configuration, new URL(`${redirectUri}?${response}`), checks, {
            nonce: proofs.nonce,
          }),
        );
        const keys = openid.getJwksCache(configuration);
        if (keys && manyTenants) openid.setJwksCache(all, keys);
        const person = idTokenSchema.parse(tokens.claims());
        if (tokens.claims()?.iss !== issuerOf(person.tid)) return { kind: 'not_ours', cause: new Error('foreign tid') };
        return { kind: 'signed_in', sessionToken: tokens.access_token, person };
      } catch (error) {
        return outcomeOf(error);
      }
    },

    /** Where a browser ends its session at Entra. OpenID Connect RP-Initiated Logout 1.0. */
    endSessionUrl(parameters: Record<string, string>): URL {
      const url = new URL(endSessionEndpoint());
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return url;
    },

    /** The origins of Entra's pages: forms of ours may end there, and they may frame the logout route. */
    origins: (): string[] => [...new Set([authorityHost, new URL(endSessionEndpoint()).origin])],
  };

  /** As discovered, else where it always is at Entra: signing out never waits for discovery. */
  function endSessionEndpoint(): string {
    const known = configured.last?.serverMetadata().end_session_endpoint;
    return known ?? `${authorityHost}/${tenantId}/oauth2/v2.0/logout`;
  }
}

export type Entra = ReturnType<typeof createEntra>;

function outcomeOf(error: unknown): Redeemed {
  const causes = [error, (error as Error).cause];
  const fault = causes.find((cause) => cause instanceof Fault);
  if (fault) throw fault;
  if (error instanceof openid.AuthorizationResponseError) return { kind: 'refused', error: error.error };
  if (!(error instanceof openid.ResponseBodyError)) return { kind: 'not_ours', cause: error };
  if (error.error === 'invalid_grant') return { kind: 'code_unusable' };
  const ours = ['invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_request', 'unsupported_grant_type'];
  if (!ours.includes(error.error)) return { kind: 'refused', error: error.error };
  const cause = Object.assign(new Error('refused by the broker'), { code: error.error });
  throw new Fault('server_error', 'Something went wrong on our side.', { cause });
}
