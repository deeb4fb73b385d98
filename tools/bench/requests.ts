import { apiScope, appScope, grants, graphScope } from '../../services/load-generator/src/target/oauth.ts';
import type { Request } from './slices.ts';

/** Where a request goes, who sends it, and its parameters without that caller's assertion. */
type Form = { path: string; client: 'web' | 'api' | 'job'; fields: Record<string, string> };

/** The request of each grant, as its caller sends it: RFC 8693, RFC 7523, RFC 6749 section 4.4, RFC 7662. */
export const forms = {
  exchange: (session: string): Form => ({
    ...{ path: '/oauth2/token', client: 'web' },
    fields: {
      grant_type: grants.exchange,
      subject_token: session,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope: apiScope,
    },
  }),
  onBehalfOf: (assertion: string): Form => ({
    ...{ path: '/oauth2/token', client: 'api' },
    fields: { grant_type: grants.jwtBearer, requested_token_use: 'on_behalf_of', assertion, scope: graphScope },
  }),
  appToken: (): Form => ({
    ...{ path: '/oauth2/token', client: 'job' },
    fields: { grant_type: 'client_credentials', scope: appScope },
  }),
  introspect: (token: string, client: Form['client']): Form => ({
    ...{ path: '/oauth2/introspect', client },
    fields: { token },
  }),
};

export type Assertions = Record<Form['client'], string>;

/** A form as its client sends it, with that client's ServiceAccount token: RFC 7523 section 2.2. */
export function toRequest(origin: string, { path, client, fields }: Form, assertions: Assertions): Request {
  const body = new URLSearchParams({
    ...fields,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertions[client],
  }).toString();
  return { origin, path, method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
}
