import { type HttpResponse, json } from '../requests/call.ts';
import type { World } from '../world.ts';

/** OpenID Connect Discovery, with the members Entra adds. */
export function configuration({ directory, origin, browserOrigin, issuerFor }: World, segment: string): HttpResponse {
  const { tenant } = directory.realm(segment);
  const id = tenant?.tid ?? segment;
  const host = new URL(origin).host;
  return json(200, {
    token_endpoint: `${origin}/${id}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${origin}/${id}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: issuerFor(tenant?.tid ?? '{tenantid}'),
    request_uri_parameter_supported: false,
    client_id_metadata_document_supported: true,
    userinfo_endpoint: `${origin}/oidc/userinfo`,
    authorization_endpoint: `${browserOrigin}/${id}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${origin}/${id}/oauth2/v2.0/devicecode`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${browserOrigin}/${id}/oauth2/v2.0/logout`,
    claims_supported: [
      ...['sub', 'iss', 'cloud_instance_name', 'cloud_instance_host_name', 'cloud_graph_host_name', 'msgraph_host'],
      ...['aud', 'exp', 'iat', 'auth_time', 'acr', 'nonce', 'preferred_username', 'name', 'tid', 'ver', 'at_hash'],
      ...['c_hash', 'email'],
    ],
    tenant_region_scope: tenant ? 'EU' : null,
    cloud_instance_name: host,
    cloud_graph_host_name: host,
    msgraph_host: host,
    rbac_url: origin,
  });
}

export function keys(world: World, segment: string): HttpResponse {
  const { tenant } = world.directory.realm(segment);
  return json(200, world.keys.jwks(world.issuerFor(tenant?.tid ?? '{tenantid}')));
}

/** The hosts of this cloud: the emulator is a cloud of its own. */
export function instance({ origin, directory }: World): HttpResponse {
  const { host } = new URL(origin);
  return json(200, {
    tenant_discovery_endpoint: `${origin}/${directory.tenants[0]?.tid}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  });
}
