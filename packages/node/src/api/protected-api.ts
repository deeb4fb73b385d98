import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { BrokerClient, type BrokerOptions } from '../broker/client.ts';
import { baseUrl } from '../core/address.ts';
import { ConfigError } from '../core/config-error.ts';
import { type Fault, toFault } from '../core/fault.ts';
import { authorityHost, guid } from '../core/keys/authority.ts';
import { remoteAuthority } from '../core/keys/signing-keys.ts';
import type { Log } from '../core/log.ts';
import { tellOutages } from '../core/outages.ts';
import { parseConfig } from '../core/parse-config.ts';
import { nameRoute } from '../core/telemetry/request-facts.ts';
import { newTraceId } from '../core/telemetry/trace-context.ts';
import { type AccessTokenClaims, createBearer, requireAuthContext, requireRole, requireScope } from './bearer.ts';
import { assertOneHeader } from './bearer-header.ts';
import { createOnBehalfOf, type OnBehalfOf } from './on-behalf-of.ts';
import { describeResource, type Resource, type ResourceMetadata, withMetadata } from './resource-metadata.ts';

export type ApiOptions = {
  /** The tenants whose people and apps may call, by GUID. */
  tenant: string | readonly string[];
  /** Your API's client id; its registration has `requestedAccessTokenVersion` 2. */
  audience: string;
  /** The client ids that may call; any client of those tenants unless said. */
  allowedClients?: readonly string[];
  /** Of a national cloud or an external tenant; `https://login.microsoftonline.com` unless said. */
  authorityHost?: string;
  /** Your API's URL as its clients know it: it then publishes its metadata, and every challenge names them. RFC 9728. */
  resource?: string;
  /** The scopes that the metadata name. */
  scopes?: readonly string[];
  /** For calls on behalf of your callers: where the broker is, and the file of your pod's ServiceAccount token. */
  broker?: BrokerOptions;
  /** Is told once that Entra's keys or the broker are away, and once that they respond again. */
  log?: Pick<Log, 'info' | 'warn'>;
};

/** Who calls: the claims of the access token. `name` is for display; decide by `oid` and `tid`. */
export type User = AccessTokenClaims;

/** What a token must have beside being valid. */
export type Needs = { scope?: string; role?: string; authContext?: string };

/** Any server's request: Fetch's, or node:http's as Express, Fastify's `request.raw` and others have it. */
export type AnyRequest = Request | IncomingMessage;

/** A request that passed has a `user`; any other has the `response` to send. */
export type Verified = { user: User; response?: undefined } | { user?: undefined; response: Response };

const schema = z.strictObject({
  tenant: z.array(guid).min(1),
  audience: guid,
  allowedClients: z.array(guid),
  authorityHost,
  resource: baseUrl.optional(),
});

/** A protected API, whatever serves it. Opens nothing; Entra's signing keys are fetched when the first token comes. */
export class ProtectedApi {
  readonly resource: Resource | undefined;
  readonly #bearer: (authorization: string | undefined) => Promise<User>;
  readonly #onBehalfOf: OnBehalfOf | undefined;
  readonly #nameInScopes: string | undefined;

  /** @throws ConfigError naming what is wrong. */
  constructor(options: ApiOptions) {
    const { tenant: tenants, audience, allowedClients, authorityHost: host, resource } = readOptions(options);
    const { broker, log, scopes } = options;
    const { keys, issuerOf } = remoteAuthority(host, tenants);
    const told = log ? tellOutages('entra-keys', log, keys) : keys;
    this.#bearer = createBearer({ keys: told, issuerOf, audience, tenants, allowedClients });
    // As its scopes are named: Entra ID compares them, as text, with the `resource` that clients send. AADSTS9010010.
    this.#nameInScopes = resource && (/^(.+)\/[^/]+$/.exec(scopes?.[0] ?? '')?.[1] ?? resource);
    const api = this.#nameInScopes ?? audience;
    this.#onBehalfOf =
      broker && createOnBehalfOf({ broker: new BrokerClient({ ...(log && { log }), ...broker }), api });
    this.resource = resource ? describeResource({ resource, authorityHost: host, tenants, scopes }) : undefined;
  }

  /** Checks a request's token. What is asked for the metadata gets them. */
  async verify(request: AnyRequest, needs: Needs = {}): Promise<Verified> {
    const metadata = this.metadataFor(request);
    if (metadata) return { response: Response.json(metadata, { headers: openToAll }) };
    try {
      const user = await this.readUser(request);
      this.check(user, needs);
      return { user };
    } catch (error) {
      return { response: this.toResponse(error) };
    }
  }

  /** @throws Fault that the caller is to be shown by `explain`. */
  async readUser(request: AnyRequest): Promise<User> {
    assertOneHeader(request);
    return await this.#bearer(headerOf(request, 'authorization'));
  }

  /** @throws Fault `insufficient_scope` or `insufficient_claims`. */
  check(user: User, { scope, role, authContext }: Needs): void {
    // An MCP client asks Entra ID for the scope of the challenge, as it is.
    if (scope !== undefined) requireScope(user, scope, this.#nameInScopes && `${this.#nameInScopes}/${scope}`);
    if (role !== undefined) requireRole(user, role);
    if (authContext !== undefined) requireAuthContext(user, authContext);
  }

  /** The Fault of a refusal, with the address of the metadata in its challenge. */
  explain(error: unknown): Fault {
    const fault = toFault(error);
    return this.resource ? withMetadata(fault, this.resource.url) : fault;
  }

  /** The response to a caller for what `onBehalfOf` or anything else threw: Fetch's. */
  toResponse(error: unknown): Response {
    const fault = this.explain(error);
    return Response.json(fault.toBody(), { status: fault.status, headers: fault.toHeaders() });
  }

  /** The metadata, where the request asks for them. */
  metadataFor({ method, url = '' }: AnyRequest): ResourceMetadata | undefined {
    const { resource } = this;
    // A browser asks by OPTIONS first where a client sends headers, as MCP's do.
    if (!resource || !/^(GET|HEAD|OPTIONS)$/.test(method ?? '')) return undefined;
    // A target of node:http may be no address at all.
    const target = URL.canParse(url, 'http://any') ? new URL(url, 'http://any') : undefined;
    if (target?.pathname !== resource.path) return undefined;
    nameRoute(resource.path);
    return resource.metadata;
  }

  /**
   * An access token for the next API on behalf of the user, for `scope` such as `https://graph.microsoft.com/User.Read`.
   * @throws Fault that tells *your* caller what to do: show it by `explain`, or by `handleFaults` in Express.
   */
  async onBehalfOf(user: User, scope: string, traceId: string = newTraceId()): Promise<string> {
    if (!this.#onBehalfOf) throw new ConfigError('onBehalfOf needs the option "broker"');
    return (await this.#onBehalfOf(user.token, scope, traceId)).reveal();
  }
}

/** Public data, for browsers too. */
export const openToAll = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Cache-Control': 'max-age=3600',
};

function headerOf({ headers }: AnyRequest, name: 'authorization'): string | undefined {
  return headers instanceof Headers ? (headers.get(name) ?? undefined) : headers[name];
}

function readOptions({ tenant, audience, allowedClients = [], resource, ...options }: ApiOptions) {
  const host = options.authorityHost ?? 'https://login.microsoftonline.com';
  const given = {
    tenant: [tenant].flat(),
    audience,
    allowedClients: [...allowedClients],
    authorityHost: host,
    resource,
  };
  return parseConfig(schema, given, 'options of the API');
}
