import { createHash, randomUUID } from 'node:crypto';
import { checkAppOnly, toAgentSubject } from '../../directory/agents.ts';
import { checkResource, oidcScopes, oneResource, readScopes } from '../../directory/scopes.ts';
import type { App } from '../../directory/seed.ts';
import { Refusal } from '../../requests/aadsts.ts';
import { requireParameter } from '../../requests/call.ts';
import type { Code, Grant } from '../../tokens/grant.ts';
import { readAio } from '../../tokens/tokens.ts';
import type { World } from '../../world.ts';
import { userFic } from './user-fic.ts';
import { respondToUser, type TokenRequest, type TokenResponse } from './user-tokens.ts';

type GrantType = (world: World, request: TokenRequest) => TokenResponse;

/** RFC 8628's name, and Entra's earlier one, which MSAL Go still sends. */
export const deviceGrants = ['urn:ietf:params:oauth:grant-type:device_code', 'device_code'];

/** The grants of the token endpoint, by `grant_type`. Learn: "OAuth 2.0 … flow" pages of the identity platform. */
export const grants: Readonly<Record<string, GrantType>> = {
  authorization_code: redeemCode,
  refresh_token: refresh,
  client_credentials: clientCredentials,
  'urn:ietf:params:oauth:grant-type:jwt-bearer': onBehalfOf,
  user_fic: userFic,
  ...Object.fromEntries(deviceGrants.map((name) => [name, redeemDevice])),
};

function redeemCode(world: World, request: TokenRequest): TokenResponse {
  const { state, now } = world;
  const { form, client, realm } = request;
  const code = state.code(requireParameter(form, 'code'));
  if (code.client !== client) throw new Refusal(70000);
  if (code.used) {
    if (state.switches.replayRevokesFamily) state.revokeFamily(code.family);
    throw new Refusal(54005);
  }
  if (realm.tenant && realm.tenant.tid !== code.tid) throw new Refusal(700005);
  if (code.expires <= now()) throw new Refusal(70008);
  const redirectUri = requireParameter(form, 'redirect_uri');
  if (redirectUri !== code.redirectUri) throw new Refusal(50011, { redirectUri, client: client.appId });
  checkVerifier(code, form.get('code_verifier'));
  requireUsable(world, code);
  const scope = form.get('scope');
  if (!scope && code.requested.resources.size > 1) throw new Refusal(28003);
  const requested = scope ? readScopes(world, form, scope, code.tid) : code.requested;
  checkResource(form, requested, state.switches.refuseResource);
  const response = respondToUser(world, request, code, requested, { code });
  code.used = true;
  return response;
}

/** The tokens of a device, once its person has signed in. RFC 8628 section 3.5. @throws Refusal 70016, 70018, 70020, 65004, 54005. */
function redeemDevice(world: World, request: TokenRequest): TokenResponse {
  const device = world.state.device(requireParameter(request.form, 'device_code'));
  if (!device || device.client !== request.client) throw new Refusal(70018);
  if (device.used) throw new Refusal(54005);
  if (device.refused) throw new Refusal(65004, {}, { error: 'authorization_declined' });
  if (device.expires <= world.now()) throw new Refusal(70020);
  if (!device.grant) throw new Refusal(70016);
  requireUsable(world, device.grant);
  checkResource(request.form, device.requested, world.state.switches.refuseResource);
  const response = respondToUser(world, request, device.grant, device.requested);
  device.used = true;
  return response;
}

function refresh(world: World, request: TokenRequest): TokenResponse {
  const { state, now } = world;
  const { form, client, realm } = request;
  const token = state.refreshToken(requireParameter(form, 'refresh_token'));
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
  const response = respondToUser(world, request, token, readScopes(world, form, scope, token.tid), { expires });
  token.used = true;
  return response;
}

function clientCredentials(world: World, { form, client, realm, authentication }: TokenRequest): TokenResponse {
  if (!realm.tenant) throw new Refusal(9001023);
  const scope = requireParameter(form, 'scope');
  const resource = parseAppScope(world, form, scope, realm.tenant.tid);
  const { tid } = realm.tenant;
  const path = form.get('fmi_path');
  const subject = path ? toAgentSubject(tid, client, path) : undefined;
  checkAppOnly(
    client,
    resource,
    world.directory.apps.find(({ appId }) => appId === path),
    subject,
  );
  const { azpacr } = authentication;
  const { token, expiresIn } = world.tokens.appToken(client, resource, { tid, azpacr, subject });
  return { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: token };
}

function onBehalfOf(world: World, request: TokenRequest): TokenResponse {
  const { keys, directory, now } = world;
  const { form, client, realm } = request;
  const assertion = requireParameter(form, 'assertion');
  if (requireParameter(form, 'requested_token_use') !== 'on_behalf_of') throw new Refusal(9002313);
  const claims = keys.verify(assertion);
  const { tid, aud } = claims ?? {};
  if (!claims || claims.iss !== world.issuerFor(String(tid))) throw new Refusal(50013);
  if (realm.tenant && realm.tenant.tid !== tid) throw new Refusal(50013);
  if (Number(claims.exp) <= now()) throw new Refusal(500133);
  if (client.isAgentIdentityBlueprint) throw new Refusal(82002, { client: client.appId });
  const recipient = client.agentIdentityBlueprintId ?? client.appId;
  if (aud !== recipient) throw new Refusal(500131, { audience: String(aud), client: recipient });
  const user = directory.user(String(claims.oid));
  if (!user || typeof claims.scp !== 'string') throw new Refusal(7000114, { client: client.appId });
  const { generation, mfa } = readAio(claims);
  const grant: Grant = {
    ...{ client, user, tid: String(tid), sid: String(claims.sid), authTime: Number(claims.iat) },
    ...{ acrs: [claims.acrs].flat().filter((acr) => typeof acr === 'string'), mfa, generation },
    ...{ platform: 'web', family: randomUUID() },
  };
  if (user.disabled) throw new Refusal(50057);
  return respondToUser(world, request, grant, readScopes(world, form, requireParameter(form, 'scope'), grant.tid));
}

/** @throws Refusal 50173 for a revoked grant, 50057 for a disabled user. */
function requireUsable({ state }: World, grant: Grant): void {
  if (grant.generation !== state.generation(grant.user)) throw new Refusal(50173);
  if (grant.user.disabled) throw new Refusal(50057);
}

/** RFC 7636. @throws Refusal 50148 without a verifier, 501481 with a wrong one, 9002325 for a page without a challenge. */
function checkVerifier({ challenge, platform }: Code, verifier: string | null): void {
  if (!challenge && platform === 'spa') throw new Refusal(9002325);
  if (!challenge) return;
  if (!verifier) throw new Refusal(50148);
  const shown = challenge.method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier;
  if (shown !== challenge.value) throw new Refusal(501481);
}

/** The resource of exactly one `<resource>/.default`; OpenID scopes, which MSAL Java and Go add, are ignored. @throws Refusal 1002012. */
function parseAppScope(world: World, form: URLSearchParams, scope: string, tid: string): App {
  const words = scope.split(' ').filter((word) => word && !oidcScopes.includes(word));
  if (words.length !== 1 || !words[0]?.endsWith('/.default')) throw new Refusal(1002012, { scope });
  return oneResource(world.directory, readScopes(world, form, scope, tid)).resource;
}
