import { z } from 'zod';
import { assertionType } from '../clients/callers.ts';
import { grantTypes } from '../clients/clients.ts';
import { absent, optionalText, text } from '../input/parameters.ts';
import {
  endParameters,
  grantSchemas,
  personParameters,
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
const { authorization_code, token_exchange, jwt_bearer, client_credentials } = grantTypes;
const grant = <T extends keyof typeof grantSchemas>(grant_type: T, title: string) =>
  grantSchemas[grant_type].extend({ grant_type: z.literal(grant_type) }).meta({ title });
const tokenRequest = z.union([
  grant(authorization_code, 'Redeem a sign-in (RFC 6749, 7636)'),
  grant(token_exchange, 'A session or a user token for a token (RFC 8693)').and(someTarget),
  grant(jwt_bearer, 'On behalf of a user (RFC 7523)').and(someTarget),
  grant(client_credentials, 'For the app itself (RFC 6749)').and(someTarget),
]);

const { sid, iss, subject_token, tid, oid } = endParameters.shape;
const endRequest = z.union([
  z
    .object({ sid: sid.unwrap(), iss, subject_token: absent, tid: absent, oid: absent })
    .meta({ title: 'Of one session at Entra ID' }),
  z
    .object({ subject_token: subject_token.unwrap(), iss, sid: absent, tid: absent, oid: absent })
    .meta({ title: 'Of an account' }),
  z
    .object({ tid: tid.unwrap(), oid: oid.unwrap(), iss, sid: absent, subject_token: absent })
    .meta({ title: 'Of a person' }),
]);

const responses = {
  TokenResponse: z.object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
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
  AccountResponse: z.object({ account: z.string().regex(/^[0-9a-f]{12}$/) }),
};

/** By status. The README says what each code means. */
const errors: Record<number, { description: string; words: string[] }> = {
  400: {
    description: 'The request or its grant is not valid',
    words: [
      ...['invalid_request', 'unsupported_grant_type', 'invalid_scope', 'invalid_target', 'unsupported_token_type'],
      ...['unauthorized_client', 'invalid_grant', 'login_required', 'interaction_required', 'consent_required'],
    ],
  },
  401: { description: 'The caller is not authenticated', words: ['invalid_client'] },
  408: { description: 'The request did not come in time', words: ['invalid_request'] },
  413: { description: 'The form is too large', words: ['invalid_request'] },
  415: { description: 'The body is no form', words: ['invalid_request'] },
  429: { description: 'The caller sends too many requests, or Entra ID throttles', words: ['temporarily_unavailable'] },
  431: { description: 'The header is too large', words: ['invalid_request'] },
  500: { description: 'The credential or the configuration of the broker is wrong', words: ['server_error'] },
  503: { description: 'Redis, Entra ID or signing keys cannot be reached', words: ['temporarily_unavailable'] },
};

const toErrorSchema = (words: string[]) =>
  z.object({
    error: z.enum(words),
    error_description: z.string(),
    suberror: z.string().optional(),
    claims: z.string().optional(),
    scope: z.string().optional(),
    error_codes: z.array(z.int()).optional(),
    correlation_id: z.string().optional(),
    trace_id: z.string().optional().meta({ description: 'Absent only if the request could not be read' }),
  });

const retryAfter = {
  'Retry-After': {
    description: 'Seconds to wait (RFC 9110 section 10.2.3)',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
};
const headers: Record<number, object> = {
  401: {
    'WWW-Authenticate': {
      description: 'RFC 9110 section 11.6.1',
      required: true,
      schema: { type: 'string', pattern: '^Basic realm=' },
    },
  },
  429: retryAfter,
  503: retryAfter,
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
  '/sessions/end': post('endSessions', 'End sessions by sid, account or person', endRequest, 'EndResponse'),
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
