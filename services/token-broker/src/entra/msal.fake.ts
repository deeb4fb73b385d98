import type { INetworkModule } from '@azure/msal-node';
import type { EntraGrant } from './entra-errors.ts';
import { parseRefusal } from './entra-errors.ts';
import type { EntraNetwork, Wire } from './msal-http.ts';
import { withoutNonce } from './without-nonce.ts';

export const tenantId = '11111111-1111-4111-8111-111111111111';
export const clientId = '22222222-2222-4222-8222-222222222222';
export const authorityHost = 'https://login.microsoftonline.com';
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

type Body = Record<string, unknown>;
export type Post = { url: string; form: URLSearchParams };

/** A token response of Entra for a person. */
export function tokenResponse({ oid = 'alice', scope = 'api://a/read', ...more }: Body & { oid?: string } = {}): Body {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const claims = { iss: `${authorityHost}/${tenantId}/v2.0`, aud: clientId, tid: tenantId, oid, sub: `sub-${oid}` };
  const times = { iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 3_600 };
  return {
    ...{ token_type: 'Bearer', scope, expires_in: 3_600, ext_expires_in: 3_600 },
    ...{ access_token: `at-${oid}-${scope}-${Math.random()}`, refresh_token: `rt-${oid}` },
    id_token: `${encode({ alg: 'none' })}.${encode({ ...claims, ...times, sid: 's', nonce: 'n' })}.x`,
    client_info: encode({ uid: oid, utid: tenantId }),
    ...more,
  };
}

/** The token response to this form, with its scopes except those of OpenID; for an app without the person's members. */
export function respondTo(form: URLSearchParams, more: Body = {}): { body: Body } {
  const own = new Set(['openid', 'profile', 'offline_access']);
  const scope = (form.get('scope') ?? '')
    .split(' ')
    .filter((one) => !own.has(one))
    .join(' ');
  const app = form.get('grant_type') === 'client_credentials';
  const nobody = { id_token: undefined, client_info: undefined, refresh_token: undefined };
  return { body: tokenResponse({ scope, ...(app && nobody), ...more }) };
}

function nothingToDiscover(): never {
  throw new Error('nothing is discovered of a cloud that MSAL knows');
}

/** The token endpoint in memory: `respond` gives the next response, `posts` has the requests. */
export function fakeNetwork(
  respond: (post: Post) => { status?: number; body: unknown },
  discover: (url: string) => unknown = nothingToDiscover,
) {
  const posts: Post[] = [];
  const ask = (url: string, body: string | undefined) => {
    const post = { url, form: new URLSearchParams(body) };
    posts.push(post);
    const { status = 200, body: json } = respond(post);
    return { status, headers: {}, body: json, requestId: undefined };
  };
  const discovery = async (url: string) => ({ status: 200, headers: {}, body: discover(url) });
  const module = {
    sendGetRequestAsync: discovery,
    sendPostRequestAsync: async (url: string, { body }: { body?: string } = {}) => ask(url, body),
  } as INetworkModule;
  const network: EntraNetwork = {
    operation(grant: EntraGrant, _deadline, hideNonce = false) {
      const wire: Wire = {};
      const judged = async (url: string, { body }: { body?: string } = {}) => {
        const sentAtMs = Date.now();
        const given = ask(url, body);
        const refusal = parseRefusal(given, grant, Date.now());
        if (refusal) {
          wire.refusal = refusal;
          throw new Error('refused');
        }
        wire.sentAtMs = sentAtMs;
        wire.token = given.body;
        return hideNonce ? { ...given, body: withoutNonce(given.body) } : given;
      };
      return { wire, module: { sendGetRequestAsync: discovery, sendPostRequestAsync: judged } as INetworkModule };
    },
    authorizationEndpoint: async (url) => String(Object(discover(url)).authorization_endpoint),
    [Symbol.asyncDispose]: async () => {},
  };
  return { posts, module, network };
}
