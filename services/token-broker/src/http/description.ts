import { grantTypes } from '@onbehalf/node/core/oauth';
import { z } from 'zod';
import { assertionType } from '../clients/callers.ts';
import { absent, optionalText, text } from '../input/parameters.ts';
import { errors, headers, toErrorSchema } from './error-responses.ts';
import {
  endParameters,
  grantSchemas,
  personParameters,
  processSchema,
  revocationParameters,
  tokenParameter,
} from './request-schemas.ts';

const proof = text(16_384);
const name = text(64);
const optionalName = optionalText(64);

/** How the caller authenticates: by parameters of the form, or by the `Authorization` header. */
const caller = z.union([
  z
    .object({
      client_assertion_type: z.literal(assertionType),
      client_assertion: proof,
      client_id: optionalName,
      client_secret: absent,
    })
    .meta({ title: 'By an assertion: a ServiceAccount token or a JWT of its own key (RFC 7523)' }),
  z
    .object({ client_id: name, client_secret: proof, client_assertion: absent, client_assertion_type: absent })
    .meta({ title: 'By a secret in the form (RFC 6749 section 2.3.1)' }),
  z
    .object({ client_id: optionalName, client_secret: absent, client_assertion: absent, client_assertion_type: absent })
    .meta({ title: 'By the Authorization header' }),
]);

/** At least one of these must be sent, as `targetScope` checks. */
const someTarget = z.union(
  ['scope', 'resource', 'audience'].map((parameter) => z.object({ [parameter]: z.string().min(1) })),
);
/** Exactly one of these, as the endpoint checks. */
const someUser = z.union([
  z.object({ username: z.string().min(1), user_id: absent }),
  z.object({ user_id: z.guid(), username: absent }),
]);
const { authorization_code, token_exchange, jwt_bearer, client_credentials, refresh_token, user_fic } = grantTypes;
const grant = <T extends keyof typeof grantSchemas>(grant_type: T, title: string) =>
  grantSchemas[grant_type].extend({ grant_type: z.literal(grant_type) }).meta({ title });
const tokenRequest = z.union([
  grant(authorization_code, 'Redeem a sign-in (RFC 6749, 7636)'),
  grant(token_exchange, 'A session or a user token for a token (RFC 8693)').and(someTarget),
  processSchema
    .extend({ grant_type: z.literal(token_exchange) })
    .meta({ title: 'A session for a process token (RFC 8693)' }),
  grant(jwt_bearer, 'On behalf of a user (RFC 7523)').and(someTarget),
  grant(client_credentials, 'For the app or the agent itself (RFC 6749)').and(someTarget),
  grant(refresh_token, 'With a process token (RFC 6749 section 6)'),
  grant(user_fic, "For an agent's user").and(someTarget).and(someUser),
]);

const end = endParameters.shape;
/** The parameters by which an end names what ends; a request has those of one way only. */
const noTarget = { sid: absent, subject_token: absent, tid: absent, oid: absent, agent: absent, iss: end.iss };
const ending = (title: string, target: z.ZodRawShape) => z.object({ ...noTarget, ...target }).meta({ title });
const endRequest = z.union([
  ending('Of one session at Entra ID', { sid: end.sid.unwrap() }),
  ending('Of an account', { subject_token: end.subject_token.unwrap() }),
  ending('Of a person', { tid: end.tid.unwrap(), oid: end.oid.unwrap() }),
  ending('Of an agent: its tokens', { tid: end.tid.unwrap(), agent: end.agent.unwrap() }),
]);

const person = personParameters.shape;
const processesRequest = z.union([
  z.object({ subject_token: proof, tid: absent, oid: absent }).meta({ title: 'Of an account' }),
  z.object({ ...person, subject_token: absent }).meta({ title: 'Of a person' }),
]);

const responses = {
  TokenResponse: z.object({
    access_token: z.string(),
    token_type: z.literal(['Bearer', 'N_A']),
    expires_in: z.int().min(0),
    scope: z.string(),
    id_token: z.string().optional(),
    issued_token_type: z.string().optional(),
  }),
  IntrospectionResponse: z.looseObject({
    active: z.boolean(),
    sub: z.string().optional(),
    sid: z.string().optional(),
    client_id: z.string().optional(),
    token_type: z.literal('Bearer').optional(),
    scope: z.string().optional(),
    iss: z.string().optional(),
    aud: z.string().optional(),
    iat: z.int().optional(),
    exp: z.int().optional(),
    idle_exp: z.int().optional(),
    absolute_exp: z.int().optional(),
  }),
  RevocationResponse: z.strictObject({}),
  EndResponse: z.object({ ended: z.int().min(0) }),
  ProcessesResponse: z.object({
    processes: z.array(
      z.object({
        client_id: z.string(),
        started_by: z.string(),
        scope: z.string(),
        iat: z.int(),
        exp: z.int(),
      }),
    ),
  }),
  AccountResponse: z.object({ account: z.string().regex(/^[0-9a-f]{12}$/) }),
};

function toJsonSchema(schema: z.ZodType) {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  return rest;
}

const json = (schema: object) => ({ 'application/json': { schema } });
const failures = Object.fromEntries(
  Object.keys(errors).map((status) => [status, { $ref: `#/components/responses/Failed${status}` }]),
);

/** The components that all operations share. */
export const components = {
  securitySchemes: {
    clientSecretBasic: {
      type: 'http',
      scheme: 'basic',
      description: 'RFC 6749 section 2.3.1. All other ways to authenticate are parameters of the form.',
    },
  },
  schemas: Object.fromEntries(Object.entries(responses).map(([title, schema]) => [title, toJsonSchema(schema)])),
  responses: Object.fromEntries(
    Object.entries(errors).map(([status, { description, words }]) => [
      `Failed${status}`,
      {
        description: `${description}. RFC 6749 section 5.2.`,
        ...(headers[Number(status)] && { headers: headers[Number(status)] }),
        content: json(toJsonSchema(toErrorSchema(words))),
      },
    ]),
  ),
};

/** The POST endpoints. */
export const paths = {
  '/oauth2/token': post('requestToken', 'RFC 6749, 7523, 8693: a token', tokenRequest, 'TokenResponse'),
  '/oauth2/introspect': post(
    'introspectToken',
    'RFC 7662: is this session alive, this access token good here',
    tokenParameter,
    'IntrospectionResponse',
  ),
  '/oauth2/revoke': post('revokeSession', 'RFC 7009: end this session', revocationParameters, 'RevocationResponse'),
  '/sessions/end': post(
    'endSessions',
    'End sessions by sid, account or person, or the tokens of an agent',
    endRequest,
    'EndResponse',
  ),
  '/processes/list': post(
    'listProcesses',
    "The processes of a session's account, or of a person",
    processesRequest,
    'ProcessesResponse',
  ),
  '/accounts/lookup': post('lookUpAccount', "A person's name in the log", personParameters, 'AccountResponse'),
};

function post(operationId: string, summary: string, request: z.ZodType, response: keyof typeof responses) {
  const form = { schema: toJsonSchema(caller.and(request)) };
  const done = { description: 'Done', content: json({ $ref: `#/components/schemas/${response}` }) };
  return {
    post: {
      ...{ operationId, summary, security: [{}, { clientSecretBasic: [] }] },
      requestBody: { required: true, content: { 'application/x-www-form-urlencoded': form } },
      responses: { 200: done, ...failures },
    },
  };
}
