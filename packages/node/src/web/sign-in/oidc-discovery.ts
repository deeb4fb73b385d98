import { AsyncLocalStorage } from 'node:async_hooks';
import * as openid from 'openid-client';
import { z } from 'zod';
import { clientAssertion } from '../../broker/client.ts';
import { connecting, type Fetch, type HttpClient, laterFault, unavailable } from '../../core/http-client.ts';
import { discoveryUrl, isManyTenants, issuersOf } from '../../core/keys/authority.ts';
import type { Log } from '../../core/log.ts';
import { refusedWith, tellOutages } from '../../core/outages.ts';
import { toOurs } from '../../core/telemetry/client-span.ts';
import { newTraceId } from '../../core/telemetry/trace-context.ts';
import { brokerDeadlineMs, discovery } from '../../lifetimes.ts';
import { Refreshable } from './refreshable.ts';

export type OidcOptions = {
  authorityHost: string;
  /** A tenant's GUID, or `organizations` or `common` for people of any. */
  tenantId: string;
  clientId: string;
  responseMode: 'query' | 'form_post';
  brokerUrl: string;
  /** Calls to the broker, and calls to Entra itself. */
  http: HttpClient;
  fetch: Fetch;
  assertion: () => Promise<string>;
  logger: Log;
  nowMs: () => number;
};

/** The account's tenant: `client_info` of Entra's response, base64url. It only picks the issuer that is then required. */
const clientInfoSchema = z.object({ utid: z.guid() });

/** Entra's outages last longer than ours. */
const entraUnavailable = (cause?: unknown) => unavailable(cause, 5);

/** Entra's metadata and keys, with the broker as the token endpoint. Discovery runs when first needed and is repeated. */
export class OidcDiscovery {
  /** What was discovered. `get` throws Fault `unavailable` while Entra was never reached. */
  readonly configured: Refreshable<openid.Configuration>;
  readonly manyTenants: boolean;
  readonly #options: OidcOptions;
  readonly #tokenEndpoint: string;
  readonly #fetchKeys: (url: string, init: RequestInit) => Promise<Response>;
  readonly #extensions: ((configuration: openid.Configuration) => void)[];
  /** openid-client does not tell its fetch which request it works for. */
  readonly #traceId = new AsyncLocalStorage<string>();

  constructor(options: OidcOptions) {
    const { authorityHost, brokerUrl, logger, nowMs, tenantId } = options;
    this.#options = options;
    this.#tokenEndpoint = `${brokerUrl}/oauth2/token`;
    this.manyTenants = isManyTenants(tenantId);
    // Plain http: the broker inside its cluster, and the emulator's pages.
    const insecure = [brokerUrl, authorityHost].some((url) => url.startsWith('http:'));
    this.#extensions = insecure ? [openid.allowInsecureRequests] : [];
    const load = tellOutages('entra', logger, () =>
      this.#discover().catch((error) => {
        throw entraUnavailable(error);
      }),
    );
    this.#fetchKeys = tellOutages('entra-keys', logger, (url: string, init: RequestInit) =>
      this.#fetchFromEntra(url, init),
    );
    this.configured = new Refreshable({ load, ...discovery, nowMs, unavailable: entraUnavailable });
  }

  /** The issuer of a tenant's tokens: as discovered, else as in Entra's own clouds. */
  issuerOf(tid: string): string {
    const { authorityHost, tenantId } = this.#options;
    const known = this.configured.last?.serverMetadata().issuer;
    const usual = `${authorityHost}/${this.manyTenants ? '{tenantid}' : tenantId}/v2.0`;
    return issuersOf(known ?? usual, tenantId)(tid);
  }

  /** As discovered, else where it always is at Entra: signing out never waits for discovery. */
  get endSessionEndpoint(): string {
    const { authorityHost, tenantId } = this.#options;
    const known = this.configured.last?.serverMetadata().end_session_endpoint;
    return known ?? `${authorityHost}/${tenantId}/oauth2/v2.0/logout`;
  }

  /** The same configuration with the issuer of the account's tenant; the signing keys are the same for all tenants. */
  forTenant(all: openid.Configuration, clientInfo: string | null): openid.Configuration {
    const json: unknown = JSON.parse(Buffer.from(clientInfo ?? '', 'base64url').toString());
    const one = this.#configure(all.serverMetadata(), this.issuerOf(clientInfoSchema.parse(json).utid));
    const keys = openid.getJwksCache(all);
    if (keys) openid.setJwksCache(one, keys);
    return one;
  }

  /** Does the work; calls to the broker in it carry this trace id. */
  withTraceId<T>(traceId: string, work: () => Promise<T>): Promise<T> {
    return this.#traceId.run(traceId, work);
  }

  async #discover(): Promise<openid.Configuration> {
    const { authorityHost, clientId, tenantId } = this.#options;
    // Given the document's own address, openid-client leaves the issuer to us: that of many tenants is a template.
    const url = new URL(discoveryUrl(authorityHost, tenantId));
    const found = await openid.discovery(url, clientId, undefined, undefined, {
      execute: this.#extensions,
      [openid.customFetch]: (url, init) => this.#fetchFromEntra(url, init as RequestInit),
    });
    const server = found.serverMetadata();
    issuersOf(server.issuer, tenantId);
    return this.#configure(server, server.issuer);
  }

  #configure(found: openid.ServerMetadata, issuer: string): openid.Configuration {
    const server: openid.ServerMetadata = Object.assign(found, { issuer, token_endpoint: this.#tokenEndpoint });
    const client = { id_token_signed_response_alg: 'RS256' };
    const configuration = new openid.Configuration(server, this.#options.clientId, client, this.#authenticate);
    for (const extend of [...this.#extensions, openid.enableNonRepudiationChecks]) extend(configuration);
    configuration[openid.customFetch] = this.#fetch;
    configuration.timeout = brokerDeadlineMs.token / 1_000;
    return configuration;
  }

  readonly #authenticate: openid.ClientAuth = async (_as, _client, body) => {
    const assertion = await clientAssertion(this.#options.assertion);
    for (const [name, value] of Object.entries(assertion)) body.set(name, value);
  };

  readonly #fetch: openid.CustomFetch = async (url, { headers, ...init }) => {
    if (url !== this.#tokenEndpoint) return this.#fetchKeys(url, { ...(init as RequestInit), headers });
    // A code is good for one attempt.
    const limits = { deadlineMs: brokerDeadlineMs.token, once: true };
    const response = await toOurs(this.#traceId.getStore() ?? newTraceId(), (traced) =>
      this.#options.http(url, { ...(init as RequestInit), headers: { ...headers, ...traced } }, limits),
    );
    const later = laterFault(response, 'There are too many sign-in requests right now, try again.');
    if (later) throw later;
    return response;
  };

  async #fetchFromEntra(url: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.timeout(discovery.deadlineMs);
    const response = await connecting(() => this.#options.fetch(url, { ...init, signal })).catch((error) => {
      throw entraUnavailable(error);
    });
    if (response.status >= 500 || response.status === 429) throw entraUnavailable(refusedWith(response.status));
    return response;
  }
}
