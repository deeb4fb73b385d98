import { z } from 'zod';
import { assertionAlgorithms, assertionType } from './callers.ts';
import { type Clients, grantTypes } from './clients.ts';
import { endParameters, grantSchemas, tokenParameter } from './endpoints.ts';

type Details = {
  /** Entra's, where people sign in. */
  authorizationEndpoint?: string | undefined;
  /** Whether some client proves itself by a secret. */
  secrets?: boolean;
};

/** RFC 8414 section 2. */
export function metadata(issuer: string, { authorizationEndpoint, secrets = false }: Details = {}) {
  const methods = ['private_key_jwt', ...(secrets ? ['client_secret_basic', 'client_secret_post'] : [])];
  return {
    issuer,
    ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
    token_endpoint: `${issuer}/oauth2/token`,
    introspection_endpoint: `${issuer}/oauth2/introspect`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    response_types_supported: authorizationEndpoint === undefined ? [] : ['code'],
    code_challenge_methods_supported: ['S256'],
    grant_types_supported: Object.values(grantTypes),
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    service_documentation: `${issuer}/openapi.json`,
  };
}

/**
 * Entra's authorization endpoint for the clients that sign people in: their tenant's, or `organizations` where they are
 * registered in several. Undefined without such clients.
 */
export function authorizationEndpoint(authorityHost: string, { byName }: Clients): string | undefined {
  const signing = [...byName.values()].filter(({ grants }) => grants.includes(grantTypes.authorization_code));
  const [tenant, another] = new Set(signing.map(({ tenantId }) => tenantId));
  if (tenant === undefined) return undefined;
  return `${authorityHost}/${another === undefined ? tenant : 'organizations'}/oauth2/v2.0/authorize`;
}

/** Whether some client proves itself by a secret. */
export function hasSecrets({ byName }: Clients): boolean {
  return [...byName.values()].some(({ authentication }) =>
    authentication?.some(({ type }) => type === 'client_secret'),
  );
}

const caller = z.object({
  client_assertion_type: z.literal(assertionType),
  client_assertion: z.string(),
  client_id: z.string().optional(),
});

const errorAnswer = z.object({
  error: z.string(),
  error_description: z.string(),
  suberror: z.string().optional(),
  claims: z.string().optional(),
  scope: z.string().optional(),
  error_codes: z.array(z.number()).optional(),
  correlation_id: z.string().optional(),
  trace_id: z.string(),
});

const answers = {
  token: z.object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number(),
    scope: z.string(),
    id_token: z.string().optional(),
    issued_token_type: z.string().optional(),
  }),
  introspection: z.object({
    active: z.boolean(),
    sub: z.string().optional(),
    sid: z.string().optional(),
    client_id: z.string().optional(),
    iat: z.number().optional(),
    exp: z.number().optional(),
    idle_exp: z.number().optional(),
    absolute_exp: z.number().optional(),
  }),
  nothing: z.object({}),
  ended: z.object({ ended: z.number() }),
};

/** OpenAPI 3.1 of the POST endpoints, made of the schemas that check the requests. */
export function openapi(issuer: string) {
  const grants = Object.entries(grantSchemas).map(([grant, schema]) =>
    caller.extend({ grant_type: z.literal(grant) }).and(schema),
  );
  return {
    openapi: '3.1.0',
    info: { title: 'token-broker', version: '1', description: 'An OAuth 2.0 token endpoint over Entra ID.' },
    servers: [{ url: issuer }],
    paths: {
      '/oauth2/token': post('RFC 6749, 7523, 8693: a token', z.union(grants), answers.token),
      '/oauth2/introspect': post('RFC 7662: is this session alive', caller.and(tokenParameter), answers.introspection),
      '/oauth2/revoke': post('RFC 7009: end this session', caller.and(tokenParameter), answers.nothing),
      '/sessions/end': post('End sessions by sid, account or person', caller.and(endParameters), answers.ended),
    },
  };
}

function post(summary: string, request: z.ZodType, answer: z.ZodType) {
  const schemaOf = (schema: z.ZodType) => z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });
  const json = (schema: z.ZodType) => ({ 'application/json': { schema: schemaOf(schema) } });
  return {
    post: {
      summary,
      requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema: schemaOf(request) } } },
      responses: {
        200: { description: 'done', content: json(answer) },
        default: { description: 'RFC 6749 section 5.2', content: json(errorAnswer) },
      },
    },
  };
}
