import { Fault } from '@onbehalf/node/core/fault';
import { accessTokenType, grantTypes, refreshTokenType } from '@onbehalf/node/core/oauth';
import { secondsSince } from '@onbehalf/node/core/telemetry/measures';
import { describeRequest } from '@onbehalf/node/core/telemetry/request-facts';
import { errorType } from '@onbehalf/node/core/telemetry/tracing';
import type { Attributes } from '@opentelemetry/api';
import type { Client, GrantType } from '../clients/clients.ts';
import type { Broker } from '../grants/broker.ts';
import type { AskedToken } from '../grants/exchange.ts';
import { type Form, parameters } from '../input/form.ts';
import { isJwt } from '../input/token-shape.ts';
import { measure } from '../signals.ts';
import type { Token, TokenRecord } from '../tokens/token.ts';
import { JsonText, type ResponseBody } from './endpoint.ts';
import { grantSchemas, processSchema } from './request-schemas.ts';
import { targetScope } from './target-scope.ts';

/** The parameters of all grants that acquire an access token. */
type Asked = Parameters<typeof targetScope>[1] & { claims?: string | undefined; agent?: string | undefined };

/** The response of a grant, and the source of its token. */
type Granted = { body: ResponseBody; source: Token['source'] };

/** The token endpoint: RFC 6749 section 3.2, one method for each grant. */
export class TokenEndpoint {
  readonly #broker: Broker;
  readonly #graph: string;

  /** `graph`: the Microsoft Graph of the cloud, for `targetScope`. */
  constructor(broker: Broker, graph: string) {
    this.#broker = broker;
    this.#graph = graph;
  }

  /** @throws Fault `invalid_request`, `unsupported_grant_type`, `unauthorized_client` or that of the grant. */
  async handle(client: Client, form: Form, traceId: string): Promise<ResponseBody> {
    const { grant_type } = form;
    if (grant_type === undefined) throw new Fault('invalid_request', 'The parameter grant_type is missing.');
    if (!grantNames.has(grant_type)) throw new Fault('unsupported_grant_type', 'This grant is not supported.');
    const grant = grant_type as GrantType;
    if (!permits(client, grant, form)) {
      throw new Fault('unauthorized_client', 'The client is not configured for this grant.');
    }
    const startedAtMs = performance.now();
    try {
      const { body, source } = await this.#grant(grant, client, form, traceId);
      noteGrant(grant, startedAtMs, { 'onbehalf.token.source': source });
      return body;
    } catch (error) {
      noteGrant(grant, startedAtMs, { 'error.type': errorType(error) });
      throw error;
    }
  }

  #grant(grant: GrantType, client: Client, form: Form, traceId: string): Promise<Granted> {
    switch (grant) {
      case grantTypes.authorization_code:
        return this.#redeemCode(client, form, traceId);
      case grantTypes.token_exchange:
        return this.#exchange(client, form, traceId);
      case grantTypes.jwt_bearer:
        return this.#onBehalfOf(client, form, traceId);
      case grantTypes.client_credentials:
        return this.#appToken(client, form, traceId);
      case grantTypes.refresh_token:
        return this.#processToken(client, form, traceId);
      case grantTypes.user_fic:
        return this.#agentUser(client, form, traceId);
    }
  }

  async #redeemCode(client: Client, form: Form, traceId: string): Promise<Granted> {
    const asked = parameters(grantSchemas[grantTypes.authorization_code], form);
    const { token, idToken, expiresInSeconds, scope } = await this.#broker.redeem(client, {
      code: asked.code,
      redirectUri: asked.redirect_uri,
      codeVerifier: asked.code_verifier,
      nonce: asked.nonce,
      scope: asked.scope,
      traceId,
    });
    const body = { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds, scope, id_token: idToken };
    return { body, source: 'entra' };
  }

  async #exchange(client: Client, form: Form, traceId: string): Promise<Granted> {
    if (form.requested_token_type === refreshTokenType) return await this.#startProcess(client, form, traceId);
    const asked = parameters(grantSchemas[grantTypes.token_exchange], form);
    const wanted = this.#wanted(client, asked, traceId);
    if (asked.agent !== undefined && !isJwt(asked.subject_token)) {
      throw new Fault('invalid_grant', 'An agent acts by an access token for its blueprint.');
    }
    // With an access token of Entra as `subject_token`, this is the grant of RFC 7523.
    const token = isJwt(asked.subject_token)
      ? await this.#broker.onBehalfOf(client, asked.subject_token, wanted)
      : await this.#broker.exchange(client, asked.subject_token, wanted);
    return tokenResponse(token, `,"issued_token_type":"${accessTokenType}"`);
  }

  /** RFC 8693 section 2.2.1: what is issued is no access token. */
  async #startProcess(client: Client, form: Form, traceId: string): Promise<Granted> {
    const { subject_token, scope, resource, audience } = parameters(processSchema, form);
    if (isJwt(subject_token)) throw new Fault('invalid_grant', 'A process begins with a session.');
    const wanted = targetScope(client, { scope, resource }, this.#graph);
    const begun = await this.#broker.startProcess(client, subject_token, { scope: wanted, client: audience, traceId });
    const { token: access_token, scope: granted, expiresInSeconds: expires_in } = begun;
    const body = { access_token, issued_token_type: refreshTokenType, token_type: 'N_A', expires_in, scope: granted };
    return { body, source: 'redis' };
  }

  async #processToken(client: Client, form: Form, traceId: string): Promise<Granted> {
    const asked = parameters(grantSchemas[grantTypes.refresh_token], form);
    const some = [asked.scope, asked.resource, asked.audience].some((one) => one !== undefined);
    const wanted = some ? this.#wanted(client, asked, traceId) : { scope: '', claims: asked.claims, traceId };
    return tokenResponse(await this.#broker.processToken(client, asked.refresh_token, wanted));
  }

  async #onBehalfOf(client: Client, form: Form, traceId: string): Promise<Granted> {
    const asked = parameters(grantSchemas[grantTypes.jwt_bearer], form);
    const wanted = this.#wanted(client, asked, traceId);
    return tokenResponse(await this.#broker.onBehalfOf(client, asked.assertion, wanted));
  }

  async #appToken(client: Client, form: Form, traceId: string): Promise<Granted> {
    const asked = parameters(grantSchemas[grantTypes.client_credentials], form);
    return tokenResponse(await this.#broker.appToken(client, this.#wanted(client, asked, traceId)));
  }

  async #agentUser(client: Client, form: Form, traceId: string): Promise<Granted> {
    const asked = parameters(grantSchemas[grantTypes.user_fic], form);
    const { agent, username, user_id } = asked;
    if ((username === undefined) === (user_id === undefined)) {
      throw new Fault('invalid_request', 'username: send exactly one of username and user_id.');
    }
    const user = username === undefined ? { userObjectId: String(user_id) } : { username };
    const wanted = { ...this.#wanted(client, asked, traceId), agent, user };
    return tokenResponse(await this.#broker.agentUser(client, wanted));
  }

  #wanted(client: Client, asked: Asked, traceId: string): AskedToken {
    const { claims, agent } = asked;
    if (agent !== undefined) describeRequest({ 'onbehalf.agent': agent });
    return { scope: targetScope(client, asked, this.#graph), claims, agent, traceId };
  }
}

/** With an access token as `subject_token`, token-exchange does the same as jwt-bearer: either permission is enough. */
function permits({ grants }: Client, grant: GrantType, { subject_token }: Form): boolean {
  if (grants.includes(grant)) return true;
  const onBehalfOf = grant === grantTypes.token_exchange && subject_token !== undefined && isJwt(subject_token);
  return onBehalfOf && grants.includes(grantTypes.jwt_bearer);
}

const grantNames = new Map<string, string>(Object.entries(grantTypes).map(([name, type]) => [type, name]));

/** Records a grant in the request's span and in the metrics: the source of its token, or its Fault. */
function noteGrant(grant: GrantType, startedAtMs: number, outcome: Attributes): void {
  const attributes = { 'onbehalf.grant': grantNames.get(grant) ?? 'unknown', ...outcome };
  describeRequest(attributes);
  measure('onbehalf.token.acquire.duration', secondsSince(startedAtMs), attributes);
}

/** RFC 6749 section 5.1. `expires_in` is the time that is left now. */
function tokenResponse({ record, source }: Token, more = ''): Granted {
  const expiresIn = Math.max(0, Math.floor(record.expiresAtSeconds - Date.now() / 1_000));
  describeRequest({ 'onbehalf.token.expires_in': expiresIn });
  measure('onbehalf.token.remaining', expiresIn, { 'onbehalf.token.source': source });
  const isPlain = plain.has(record) || notePlain(record);
  const quote = isPlain ? quotePlain : JSON.stringify;
  const rest = `"token_type":"Bearer","expires_in":${expiresIn},"scope":${quote(record.scope)}${more}`;
  return { source, body: new JsonText(`{"access_token":${quote(record.accessToken)},${rest}}`, isPlain) };
}

const quotePlain = (text: string) => `"${text}"`;

/** Records of ASCII without characters to escape: looking for others in 2 KB would cost a tenth of a hit. */
const plain = new WeakSet<TokenRecord>();

function notePlain(record: TokenRecord): boolean {
  const isPlain = /^[ !#-[\]-~]*$/.test(record.accessToken + record.scope);
  if (isPlain) plain.add(record);
  return isPlain;
}
