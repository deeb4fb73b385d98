import { grantTypes } from '@onbehalf/node/core/oauth';
import { assertionAlgorithms } from '../clients/callers.ts';
import type { Clients } from '../clients/clients.ts';
import { components, paths } from './description.ts';

type Details = {
  /** Entra's authorization endpoint; undefined if no client signs people in. */
  authorizationEndpoint?: string | undefined;
  /** Whether any client authenticates by a secret. */
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
 * The tenant at which the clients sign people in: their own, or `organizations` if they have several. Undefined if no
 * client signs people in.
 */
export function signInTenant({ byName }: Clients): string | undefined {
  const signing = [...byName.values()].filter(({ grants }) => grants.includes(grantTypes.authorization_code));
  const [tenant, another] = new Set(signing.map(({ tenantId }) => tenantId));
  return another === undefined ? tenant : 'organizations';
}

/** Whether any client authenticates by a secret. */
export function hasSecrets({ byName }: Clients): boolean {
  return [...byName.values()].some(({ authentication }) =>
    authentication?.some(({ type }) => type === 'client_secret'),
  );
}

/** The OpenAPI 3.1 document of the POST endpoints, made of the schemas that check the requests. */
export function openapi(issuer: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'token-broker',
      version: '1',
      description:
        'An OAuth 2.0 token endpoint over Entra ID. A parameter without a value counts as absent, one that comes twice is an error.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: issuer }],
    paths,
    components,
  };
}
