import type { Realm } from '../../directory/directory.ts';
import { requirePolicy } from '../../directory/policy.ts';
import { isGraph, oneResource, type RequestedScopes } from '../../directory/scopes.ts';
import type { App } from '../../directory/seed.ts';
import { refreshIn } from '../../lifetimes.ts';
import { Refusal } from '../../requests/aadsts.ts';
import { parseClaims } from '../../requests/claims-request.ts';
import type { ClientAuthentication } from '../../tokens/client-auth.ts';
import type { Code, Grant } from '../../tokens/grant.ts';
import type { World } from '../../world.ts';

export type TokenRequest = {
  realm: Realm;
  form: URLSearchParams;
  client: App;
  authentication: ClientAuthentication;
};

export type TokenResponse = Record<string, unknown>;

type ResponseOptions = {
  code?: Code;
  /** When the new refresh token expires, where the former one decides it. */
  expires?: number | undefined;
};

/** The response to a user's grant, for the one requested resource. */
export function respondToUser(
  world: World,
  request: TokenRequest,
  grant: Grant,
  requested: RequestedScopes,
  { code, expires }: ResponseOptions = {},
): TokenResponse {
  const { state, lifetimes, now } = world;
  const life = grant.platform === 'spa' ? lifetimes.spaRefresh : lifetimes.refresh;
  const { azpacr } = request.authentication;
  const claims = request.form.get('claims') ?? code?.claims.text;
  const { token, expiresIn, idToken } = mintFor(world, grant, requested, { azpacr, claims, code });
  const ends = { issued: now(), expires: expires ?? now() + life };
  const refreshToken = () =>
    state.addRefreshToken({ ...withoutExtras(grant), ...ends, scope: requested.text, used: false });
  const renewIn = refreshIn(lifetimes, expiresIn);
  return {
    token_type: 'Bearer',
    ...grantedScope(requested),
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    ...(renewIn !== undefined && { refresh_in: renewIn }),
    access_token: token,
    ...(requested.oidc.includes('offline_access') && { refresh_token: refreshToken() }),
    ...(idToken && { id_token: idToken }),
    ...(request.form.get('client_info') === '1' && { client_info: clientInfo(grant) }),
  };
}

/** `scope` as it was requested, without `offline_access`: Entra gives the refresh token, and never names it. */
function grantedScope({ text }: RequestedScopes): { scope?: string } {
  const words = text.split(' ').filter((word) => word && word !== 'offline_access');
  return words.length > 0 ? { scope: words.join(' ') } : {};
}

type MintOptions = { azpacr: string; claims: string | undefined; code?: Code | undefined; hold?: boolean };

/**
 * An access token for the one requested resource, and an ID token for `openid`.
 * @throws Refusal 28000, 50076, 53003, 65001.
 */
export function mintFor(
  world: World,
  grant: Grant,
  requested: RequestedScopes,
  { azpacr, claims, code, hold = false }: MintOptions,
) {
  const { directory, consents, tokens } = world;
  const { client, user } = grant;
  const { resource, names } = oneResource(directory, requested);
  const claimsRequest = parseClaims(claims);
  requirePolicy(grant, resource, claimsRequest);
  const consented = consents.scp(user, client, resource, names);
  if (!consented) throw new Refusal(65001, { client: client.appId, name: client.displayName });
  // Graph's tokens also name the requested OpenID scopes: userinfo is part of Graph.
  const openid = isGraph(resource) ? requested.oidc.filter((name) => name !== 'offline_access') : [];
  const scp = [...new Set([...consented, ...openid])];
  const { nonce, wantsAuthTime = false } = code ?? {};
  return {
    ...tokens.userToken(grant, resource, { scp, azpacr, cp1: claimsRequest.cp1, hold }),
    idToken:
      requested.oidc.includes('openid') &&
      tokens.idToken(grant, { scopes: requested.oidc, nonce, wantsAuthTime, hold }),
  };
}

/** The account as MSAL names it: of a guest, the account in the home tenant. */
export function clientInfo({ user }: Pick<Grant, 'user'>): string {
  const { oid, tid } = user.home ?? user;
  return Buffer.from(JSON.stringify({ uid: oid, utid: tid })).toString('base64url');
}

/** The grant alone: a code and a device have more members, which a refresh token must not keep in memory. */
function withoutExtras({ client, user, tid, sid, authTime, acrs, mfa, generation, platform, family }: Grant): Grant {
  return { client, user, tid, sid, authTime, acrs, mfa, generation, platform, family };
}
