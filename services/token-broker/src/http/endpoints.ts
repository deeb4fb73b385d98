import { cloudOf, isIssuerOf } from '@onbehalf/chassis/auth/authority';
import { Fault } from '@onbehalf/chassis/fault';
import { secondsSince } from '@onbehalf/chassis/telemetry/measures';
import { describeRequest } from '@onbehalf/chassis/telemetry/server-span';
import { errorType } from '@onbehalf/chassis/telemetry/tracing';
import type { Attributes } from '@opentelemetry/api';
import { z } from 'zod';
import { type Client, type GrantType, grantTypes } from '../clients/clients.ts';
import type { AccessTokens } from '../grants/access-tokens.ts';
import type { Broker } from '../grants/broker.ts';
import { type Form, parameters } from '../input/form.ts';
import { absent, claims, optionalText, text } from '../input/parameters.ts';
import { isJwt } from '../input/token-shape.ts';
import { measure } from '../signals.ts';
import type { Token, TokenRecord } from '../tokens/token.ts';
import { targetScope } from './target-scope.ts';

/** What an endpoint answers with status 200. */
export type Answer = Record<string, unknown> | JsonText;
/** JSON that is written already. */
export type JsonText = string;
export type Endpoint = (client: Client, form: Form, traceId: string) => Promise<Answer>;
/** A grant's answer, and where its token came from. */
type Granted = { answer: Answer; level: Token['level'] };
type Grant = (...asked: Parameters<Endpoint>) => Promise<Granted>;

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

const token = text(16_384);
const scope = optionalText(4_096);
/** Scopes, or the API they belong to, or both: RFC 8693 section 2.1. */
const target = { scope, resource: scope, audience: scope };

/** The parameters of each grant, as their RFCs name them. */
export const grantSchemas = {
  [grantTypes.authorization_code]: z.object({
    code: token,
    redirect_uri: text(2_048),
    code_verifier: z.string().regex(/^[A-Za-z0-9\-._~]{43,128}$/, 'is not a PKCE verifier (RFC 7636 section 4.1)'),
    nonce: optionalText(512),
    scope,
  }),
  [grantTypes.token_exchange]: z.object({
    subject_token: token,
    subject_token_type: z.literal(accessTokenType, `must be ${accessTokenType}`),
    requested_token_type: z.literal([accessTokenType, ''], `must be ${accessTokenType}`).optional(),
    ...target,
    claims,
    actor_token: absent,
    actor_token_type: absent,
  }),
  [grantTypes.jwt_bearer]: z.object({
    assertion: token,
    requested_token_use: z.literal('on_behalf_of', 'must be on_behalf_of'),
    ...target,
    claims,
  }),
  [grantTypes.client_credentials]: z.object({ ...target, claims }),
} satisfies Record<GrantType, z.ZodType>;

export const tokenParameter = z.object({ token, token_type_hint: optionalText(64) });

export const endParameters = z
  .object({
    sid: text(512).optional(),
    iss: optionalText(512),
    subject_token: token.optional(),
    tid: z.guid('is not a GUID').optional(),
    oid: z.guid('is not a GUID').optional(),
  })
  .refine(
    ({ sid, subject_token, tid, oid }) =>
      [sid, subject_token, tid ?? oid].filter((one) => one !== undefined).length === 1 &&
      (tid === undefined) === (oid === undefined),
    { path: ['sid'], message: 'send exactly one of sid, subject_token, or tid with oid' },
  );

/** The endpoints of an OAuth authorization server, over the broker. `authorityHost` is whose `sid`s and cloud they are. */
export function createEndpoints(
  broker: Broker,
  accessTokens: AccessTokens,
  authorityHost: string,
): Record<string, Endpoint> {
  const { graph } = cloudOf(authorityHost);
  const grants: Record<GrantType, Grant> = {
    [grantTypes.authorization_code]: async (client, form, traceId) => {
      const asked = parameters(grantSchemas[grantTypes.authorization_code], form);
      const { token, idToken, expiresInSeconds, scope } = await broker.redeem(client, {
        code: asked.code,
        redirectUri: asked.redirect_uri,
        codeVerifier: asked.code_verifier,
        nonce: asked.nonce,
        scope: asked.scope,
        traceId,
      });
      const answer = { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds };
      return { answer: { ...answer, scope, id_token: idToken }, level: 'none' };
    },
    [grantTypes.token_exchange]: async (client, form, traceId) => {
      const asked = parameters(grantSchemas[grantTypes.token_exchange], form);
      // An access token of Entra's is the assertion of RFC 7523 in other words.
      const wanted = { scope: targetScope(client, asked, graph), claims: asked.claims, traceId };
      const token = isJwt(asked.subject_token)
        ? await broker.onBehalfOf(client, asked.subject_token, wanted)
        : await broker.exchange(client, asked.subject_token, wanted);
      return tokenAnswer(token, `,"issued_token_type":"${accessTokenType}"`);
    },
    [grantTypes.jwt_bearer]: async (client, form, traceId) => {
      const asked = parameters(grantSchemas[grantTypes.jwt_bearer], form);
      const scope = targetScope(client, asked, graph);
      return tokenAnswer(await broker.onBehalfOf(client, asked.assertion, { scope, claims: asked.claims, traceId }));
    },
    [grantTypes.client_credentials]: async (client, form, traceId) => {
      const asked = parameters(grantSchemas[grantTypes.client_credentials], form);
      const scope = targetScope(client, asked, graph);
      return tokenAnswer(await broker.appToken(client, { scope, claims: asked.claims, traceId }));
    },
  };

  return {
    '/oauth2/token': async (client, form, traceId) => {
      const { grant_type } = form;
      if (grant_type === undefined) throw new Fault('invalid_request', 'The parameter grant_type is missing.');
      if (!Object.hasOwn(grants, grant_type)) throw new Fault('unsupported_grant_type', 'This grant is not supported.');
      const grant = grant_type as GrantType;
      if (!permits(client, grant, form))
        throw new Fault('unauthorized_client', 'The client is not configured for this grant.');
      return await observeGrant(grant, () => grants[grant](client, form, traceId));
    },
    '/oauth2/introspect': async (client, form) => {
      const { token } = parameters(tokenParameter, form);
      if (isJwt(token)) return accessTokenAnswer(await accessTokens.find(client, token));
      const session = await broker.introspect(client, token);
      if (!session) return { active: false };
      return {
        active: true,
        sub: session.sub,
        sid: session.sid,
        client_id: client.name,
        iat: session.createdAtSeconds,
        exp: session.expiresAtSeconds,
        idle_exp: session.idleEndSeconds,
        absolute_exp: session.absoluteEndSeconds,
      };
    },
    '/oauth2/revoke': async (client, form) => {
      const { token } = parameters(tokenParameter, form);
      if (isJwt(token)) throw new Fault('unsupported_token_type', 'Only session tokens can be revoked.');
      await broker.revoke(client, token);
      return {};
    },
    '/sessions/end': async (client, form) => {
      const { sid, iss, subject_token, tid, oid } = parameters(endParameters, form);
      if (iss !== undefined && !isIssuerOf(iss, authorityHost, client.tenantId)) return { ended: 0 };
      if (sid !== undefined) return { ended: await broker.endBySid(client, sid) };
      if (subject_token !== undefined) return { ended: await broker.endAccount(client, subject_token) };
      return { ended: await broker.endPerson(client, String(tid), String(oid)) };
    },
  };
}

/** On behalf of an access token's person, token-exchange is what jwt-bearer is: either permission is enough. */
function permits({ grants }: Client, grant: GrantType, { subject_token }: Form): boolean {
  if (grants.includes(grant)) return true;
  const onBehalfOf = grant === grantTypes.token_exchange && subject_token !== undefined && isJwt(subject_token);
  return onBehalfOf && grants.includes(grantTypes.jwt_bearer);
}

/** RFC 7662 section 2.2: the token's own claims, and two of them by the names that the RFC gives them. */
function accessTokenAnswer(claims: Record<string, unknown> | undefined): Answer {
  if (!claims) return { active: false };
  const { azp: client_id, scp: scope } = claims;
  return { ...claims, active: true, token_type: 'Bearer', client_id, ...(scope !== undefined && { scope }) };
}

const grantNames = new Map<GrantType, string>(Object.entries(grantTypes).map(([name, type]) => [type, name]));

/** A grant as the request's attributes and measurement: where its token came from, or the Fault it failed with. */
async function observeGrant(grant: GrantType, work: () => Promise<Granted>): Promise<Answer> {
  const startedAtMs = performance.now();
  const attributes = { 'onbehalf.grant': grantNames.get(grant) ?? 'unknown' };
  const done = (more: Attributes) => {
    describeRequest({ ...attributes, ...more });
    measure('onbehalf.token.acquire.duration', secondsSince(startedAtMs), { ...attributes, ...more });
  };
  try {
    const { answer, level } = await work();
    done({ 'onbehalf.token.cache_level': level });
    return answer;
  } catch (error) {
    done({ 'error.type': errorType(error) });
    throw error;
  }
}

/** RFC 6749 section 5.1. `expires_in` is what is truly left. */
function tokenAnswer({ record, level }: Token, more: JsonText = ''): Granted {
  const expiresIn = Math.max(0, Math.floor(record.expiresAtSeconds - Date.now() / 1_000));
  describeRequest({ 'onbehalf.token.expires_in': expiresIn });
  measure('onbehalf.token.remaining', expiresIn, { 'onbehalf.token.cache_level': level });
  const rest = `"token_type":"Bearer","expires_in":${expiresIn},"scope":${JSON.stringify(record.scope)}${more}`;
  return { level, answer: `{"access_token":${quoted(record)},${rest}}` };
}

/** Tokens that are known to need no escaping: looking through 2 KB for it would cost a tenth of a hit. */
const plain = new WeakSet<TokenRecord>();

function quoted(record: TokenRecord): JsonText {
  if (plain.has(record)) return `"${record.accessToken}"`;
  const json = JSON.stringify(record.accessToken);
  // Escapes only ever lengthen.
  if (json.length === record.accessToken.length + 2) plain.add(record);
  return json;
}
