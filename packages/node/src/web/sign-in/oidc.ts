import * as openid from 'openid-client';
import { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { cloudOf } from '../../core/keys/authority.ts';
import { toGuid } from '../../core/telemetry/trace-context.ts';
import { OidcDiscovery, type OidcOptions } from './oidc-discovery.ts';
import type { Refreshable } from './refreshable.ts';
import { type RefusalReason, refusalReason } from './refusal-reason.ts';

/** For display only; the session cookie has to fit into 4 KB. */
const shown = z.string().transform((text) => text.slice(0, 160));

/** The claims of Entra's ID token that sign-in needs. Learn: "ID token claims reference". */
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
  /** Of the location where the person is. */
  redirectUri: string;
  scope: string;
  traceId: string;
  prompt?: string | undefined;
  loginHint?: string | undefined;
  domainHint?: string | undefined;
  claims?: string | undefined;
};

/** The result of an authorization response. `code_unusable`: starting over once may help; `refused`: Entra's own error word. */
export type Redeemed =
  | { kind: 'signed_in'; sessionToken: string; person: z.output<typeof idTokenSchema> }
  | { kind: 'refused'; error: string; reason: RefusalReason }
  | { kind: 'code_unusable'; reason: RefusalReason }
  | { kind: 'not_ours'; cause: unknown };

/**
 * Entra as an OpenID provider whose token endpoint is the broker: openid-client checks state, `iss`, nonce, PKCE and the
 * ID token with its signature.
 */
export class OidcClient {
  readonly configured: Refreshable<openid.Configuration>;
  /** Microsoft Graph of the authority's cloud: the resource of a scope without one. */
  readonly graph: string;
  readonly #options: OidcOptions;
  readonly #discovery: OidcDiscovery;

  constructor(options: OidcOptions) {
    this.#options = options;
    this.#discovery = new OidcDiscovery(options);
    this.configured = this.#discovery.configured;
    this.graph = cloudOf(options.authorityHost).graph;
  }

  /** Whether an `iss` is the one we sign in with. */
  isIssuer(iss: string): boolean {
    const tenant = this.#discovery.manyTenants ? (iss.split('/').at(-2) ?? '') : this.#options.tenantId;
    return iss === this.#discovery.issuerOf(tenant) && z.guid().safeParse(tenant).success;
  }

  /** Where to send the browser. @throws Fault `unavailable` while Entra was never reached. */
  async authorizeUrl(request: AuthorizeRequest): Promise<URL> {
    const parameters = {
      redirect_uri: request.redirectUri,
      response_mode: this.#options.responseMode,
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
      client_info: this.#discovery.manyTenants ? '1' : undefined,
    };
    const present = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return openid.buildAuthorizationUrl(await this.configured.get(), Object.fromEntries(present));
  }

  /**
   * Checks an authorization response and redeems its code at the broker. `redirectUri`: where the response came to.
   * @throws Fault while that is impossible.
   */
  async redeem(
    response: URLSearchParams,
    { redirectUri, ...proofs }: Proofs & { redirectUri: string },
    traceId: string,
  ): Promise<Redeemed> {
    const discovered = this.#discovery;
    const all = await this.configured.get();
    const checks = { expectedState: proofs.state, expectedNonce: proofs.nonce, pkceCodeVerifier: proofs.verifier };
    try {
      const url = new URL(`${redirectUri}?${response}`);
      const configuration = discovered.manyTenants ? discovered.forTenant(all, response.get('client_info')) : all;
      const tokens = await discovered.withTraceId(traceId, () =>
        openid.authorizationCodeGrant(configuration, url, checks, { nonce: proofs.nonce }),
      );
      const keys = openid.getJwksCache(configuration);
      if (keys && discovered.manyTenants) openid.setJwksCache(all, keys);
      const person = idTokenSchema.parse(tokens.claims());
      if (tokens.claims()?.iss !== discovered.issuerOf(person.tid)) {
        return { kind: 'not_ours', cause: new Error('foreign tid') };
      }
      return { kind: 'signed_in', sessionToken: tokens.access_token, person };
    } catch (error) {
      return toRedeemed(error, traceId);
    }
  }

  /** Where a browser ends its session at Entra. OpenID Connect RP-Initiated Logout 1.0. */
  endSessionUrl(parameters: Record<string, string>): URL {
    const url = new URL(this.#discovery.endSessionEndpoint);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  /** The origins of Entra's pages: our forms may lead there, and they may frame the logout route. */
  origins(): string[] {
    return [...new Set([this.#options.authorityHost, new URL(this.#discovery.endSessionEndpoint).origin])];
  }
}

function toRedeemed(error: unknown, traceId: string): Redeemed {
  const causes = [error, (error as Error).cause];
  const fault = causes.find((cause) => cause instanceof Fault);
  if (fault) throw fault;
  if (error instanceof openid.AuthorizationResponseError) {
    const reason = refusalReason(error.error, { description: error.error_description }, traceId);
    return { kind: 'refused', error: error.error, reason };
  }
  if (!(error instanceof openid.ResponseBodyError)) return { kind: 'not_ours', cause: error };
  const reason = refusalReason(error.error, { codes: error.cause.error_codes }, traceId);
  if (error.error === 'invalid_grant') return { kind: 'code_unusable', reason };
  const ours = ['invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_request', 'unsupported_grant_type'];
  if (!ours.includes(error.error)) return { kind: 'refused', error: error.error, reason };
  const cause = Object.assign(new Error('refused by the broker'), { code: error.error });
  throw new Fault('server_error', 'Something went wrong on our side.', { cause });
}
