import { createHash, randomUUID } from 'node:crypto';
import type { Realm } from '../directory/directory.ts';
import { requirePolicy } from '../directory/policy.ts';
import { type Asked, isGraph, oidcScopes, oneResource, parseScope } from '../directory/scopes.ts';
import type { App } from '../directory/seed.ts';
import { refreshIn } from '../lifetimes.ts';
import { Refusal } from '../requests/aadsts.ts';
import { parseClaims } from '../requests/claims-request.ts';
import type { ClientAuthentication } from '../tokens/client-auth.ts';
import type { Code, Grant } from '../tokens/state.ts';
import { readAio } from '../tokens/tokens.ts';
import type { World } from '../world.ts';

export type TokenRequest = {
  realm: Realm;
  form: URLSearchParams;
  client: App;
  authentication: ClientAuthentication;
};

export type TokenAnswer = Record<string, unknown>;

type GrantType = (world: World, request: TokenRequest) => TokenAnswer;

/** RFC 8628's name, and the one Entra had before, which MSAL Go still sends. */
export const deviceGrants = ['urn:ietf:params:oauth:grant-type:device_code', 'device_code'];

/** The grants of the token endpoint, by `grant_type`. Learn: "OAuth 2.0 … flow" pages of the identity platform. */
export const grants: Readonly<Record<string, GrantType>> = {
  authorization_code: redeemCode,
  refresh_token: refresh,
  client_credentials: clientCredentials,
  'urn:ietf:params:oauth:grant-type:jwt-bearer': onBehalfOf,
  ...Object.fromEntries(deviceGrants.map((name) => [name, redeemDevice])),
};

function redeemCode(world: World, request: TokenRequest): TokenAnswer {
  const { state, directory, now } = world;
  const { form, client, realm } = request;
  const code = state.code(required(form, 'code'));
  if (code.client !== client) throw new Refusal(70000);
  if (code.used) {
    if (state.switches.replayRevokesFamily) state.revokeFamily(code.family);
    throw new Refusal(54005);
  }
  if (realm.tenant && realm.tenant.tid !== code.tid) throw new Refusal(700005);
  if (code.expires <= now()) throw new Refusal(70008);
  const redirectUri = required(form, 'redirect_uri');
  if (redirectUri !== code.redirectUri) throw new Refusal(50011, { redirectUri, client: client.appId });
  checkVerifier(code, form.get('code_verifier'));
  requireUsable(world, code);
  const scope = form.get('scope');
  if (!scope && code.asked.resources.size > 1) throw new Refusal(28003);
  const asked = scope ? parseScope(directory, scope, code.tid) : code.asked;
  const answer = userAnswer(world, request, code, asked, { code });
  code.used = true;
  return answer;
}

/** A device asks whether its person has signed in. RFC 8628 section 3.5. @throws Refusal 70016, 70018, 70020, 65004, 54005. */
function redeemDevice(world: World, request: TokenRequest): TokenAnswer {
  const device = world.state.device(required(request.form, 'device_code'));
  if (!device || device.client !== request.client) throw new Refusal(70018);
  if (device.used) throw new Refusal(54005);
  if (device.refused) throw new Refusal(65004, {}, { error: 'authorization_declined' });
  if (device.expires <= world.now()) throw new Refusal(70020);
  if (!device.grant) throw new Refusal(70016);
  requireUsable(world, device.grant);
  const answer = userAnswer(world, request, device.grant, device.asked);
  device.used = true;
  return answer;
}

function refresh(world: World, request: TokenRequest): TokenAnswer {
  const { state, directory, now } = world;
  const { form, client, realm } = request;
  const token = state.refreshToken(required(form, 'refresh_token'));
  if (token.client !== client || (realm.tenant && realm.tenant.tid !== token.tid)) throw new Refusal(70000);
  if (state.switches.strictRotation && token.used) {
    state.revokeFamily(token.family);
    throw new Refusal(70000);
  }
  const issued = new Date(token.issued * 1000).toISOString();
  if (token.expires <= now()) {
    throw new Refusal(token.platform === 'spa' ? 700084 : 700082, {
      issued,
      seconds: String(Math.floor(now() - token.issued)),
    });
  }
  requireUsable(world, token);
  const scope = form.get('scope') || token.scope;
  // A page's refresh tokens all end when the first does.
  const expires = token.platform === 'spa' ? token.expires : undefined;
  const answer = userAnswer(world, request, token, parseScope(directory, scope, token.tid), { expires });
  token.used = true;
  return answer;
}

function clientCredentials(world: World, { form, client, realm, authentication }: TokenRequest): TokenAnswer {
  if (!realm.tenant) throw new Refusal(9001023);
  const scope = required(form, 'scope');
  const asked = parseAppScope(world, scope, realm.tenant.tid);
  const { token, expiresIn } = world.tokens.appToken(client, asked, realm.tenant.tid, authentication.azpacr);
  return { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: token };
}

function onBehalfOf(world: World, request: TokenRequest): TokenAnswer {
  const { keys, directory, now } = world;
  const { form, client, realm } = request;
  const assertion = required(form, 'assertion');
  if (required(form, 'requested_token_use') !== 'on_behalf_of') throw new Refusal(9002313);
  const claims = keys.verify(assertion);
  const { tid, aud } = claims ?? {};
  if (!claims || claims.iss !== world.issuerOf(String(tid))) throw new Refusal(50013);
  if (realm.tenant && realm.tenant.tid !== tid) throw new Refusal(50013);
  if (Number(claims.exp) <= now()) throw new Refusal(500133);
  if (aud !== client.appId) throw new Refusal(500131, { audience: String(aud), client: client.appId });
  const user = directory.user(String(claims.oid));
  if (!user || typeof claims.scp !== 'string') throw new Refusal(7000114, { client: client.appId });
  const { generation, mfa } = readAio(claims);
  const grant: Grant = {
    ...{ client, user, tid: String(tid), sid: String(claims.sid), authTime: Number(claims.iat) },
    ...{ acrs: [claims.acrs].flat().filter((acr) => typeof acr === 'string'), mfa, generation },
    ...{ platform: 'web', family: randomUUID() },
  };
  if (user.disabled) throw new Refusal(50057);
  return userAnswer(world, request, grant, parseScope(directory, required(form, 'scope'), grant.tid));
}

type AnswerOptions = {
  code?: Code /** Of its refresh token, where a former one sets it. */;
  expires?: number | undefined;
};

/** The answer to a user's grant, for the one resource that is asked. */
function userAnswer(
  world: World,
  request: TokenRequest,
  grant: Grant,
  asked: Asked,
  { code, expires }: AnswerOptions = {},
): TokenAnswer {
  const { state, lifetimes, now } = world;
  const life = grant.platform === 'spa' ? lifetimes.spaRefresh : lifetimes.refresh;
  const { azpacr } = request.authentication;
  const claims = request.form.get('claims') ?? code?.claims.text;
  const { token, expiresIn, idToken } = mintFor(world, grant, asked, { azpacr, claims, code });
  const refreshToken = () =>
    state.addRefreshToken({
      ...bare(grant),
      scope: asked.text,
      issued: now(),
      expires: expires ?? now() + life,
      used: false,
    });
  const renewIn = refreshIn(lifetimes, expiresIn);
  return {
    token_type: 'Bearer',
    ...grantedScope(asked),
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    ...(renewIn !== undefined && { refresh_in: renewIn }),
    access_token: token,
    ...(asked.oidc.includes('offline_access') && { refresh_token: refreshToken() }),
    ...(idToken && { id_token: idToken }),
    ...(request.form.get('client_info') === '1' && { client_info: clientInfo(grant) }),
  };
}

/** `scope` as it was asked, but `offline_access`, which Entra never names: the refresh token says it. */
function grantedScope({ text }: Asked): { scope?: string } {
  const words = text.split(' ').filter((word) => word && word !== 'offline_access');
  return words.length > 0 ? { scope: words.join(' ') } : {};
}

type MintOptions = { azpacr: string; claims: string | undefined; code?: Code | undefined; hold?: boolean };

/**
 * An access token for the one resource that is asked, and an ID token if `openid` is.
 * @throws Refusal 28000, 50076, 53003, 65001.
 */
export function mintFor(world: World, grant: Grant, asked: Asked, { azpacr, claims, code, hold = false }: MintOptions) {
  const { directory, consents, tokens } = world;
  const { client, user } = grant;
  const { resource, names } = oneResource(directory, asked);
  const requested = parseClaims(claims);
  requirePolicy(grant, resource, requested);
  const consented = consents.scp(user, client, resource, names);
  if (!consented) throw new Refusal(65001, { client: client.appId, name: client.displayName });
  // Graph's tokens also say which OpenID scopes were asked; userinfo lives there.
  const openid = isGraph(resource) ? asked.oidc.filter((name) => name !== 'offline_access') : [];
  const scp = [...new Set([...consented, ...openid])];
  const { nonce, wantsAuthTime = false } = code ?? {};
  return {
    ...tokens.userToken(grant, resource, { scp, azpacr, cp1: requested.cp1, hold }),
    idToken: asked.oidc.includes('openid') && tokens.idToken(grant, { scopes: asked.oidc, nonce, wantsAuthTime, hold }),
  };
}

/** Who that is, in MSAL's words: of a guest the account at home. */
export function clientInfo({ user }: Pick<Grant, 'user'>): string {
  const { oid, tid } = user.home ?? user;
  return Buffer.from(JSON.stringify({ uid: oid, utid: tid })).toString('base64url');
}

/** @throws Refusal 50173 for what was revoked, 50057 for a disabled user. */
function requireUsable({ state }: World, grant: Grant): void {
  if (grant.generation !== state.generationOf(grant.user)) throw new Refusal(50173);
  if (grant.user.disabled) throw new Refusal(50057);
}

/** RFC 7636; @throws Refusal 50148 without a verifier, 501481 with a wrong one, 9002325 for a page that made no challenge. */
function checkVerifier({ challenge, platform }: Code, verifier: string | null): void {
  if (!challenge && platform === 'spa') throw new Refusal(9002325);
  if (!challenge) return;
  if (!verifier) throw new Refusal(50148);
  const shown = challenge.method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier;
  if (shown !== challenge.value) throw new Refusal(501481);
}

/** Exactly one `<resource>/.default`; OpenID scopes beside it, which MSAL Java and Go send, mean nothing. @throws Refusal 1002012. */
function parseAppScope({ directory }: World, scope: string, tid: string): App {
  const words = scope.split(' ').filter((word) => word && !oidcScopes.includes(word));
  if (words.length !== 1 || !words[0]?.endsWith('/.default')) throw new Refusal(1002012, { scope });
  return oneResource(directory, parseScope(directory, scope, tid)).resource;
}

function bare({ client, user, tid, sid, authTime, acrs, mfa, generation, platform, family }: Grant): Grant {
  return { client, user, tid, sid, authTime, acrs, mfa, generation, platform, family };
}

/** @throws Refusal 900144 if the parameter is missing or empty. */
export function required(form: URLSearchParams, parameter: string): string {
  const value = form.get(parameter);
  if (!value) throw new Refusal(900144, { parameter });
  return value;
}
