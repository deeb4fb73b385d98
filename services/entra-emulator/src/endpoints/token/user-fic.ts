import { randomUUID } from 'node:crypto';
import { isTokenExchange } from '../../directory/agents.ts';
import { readScopes } from '../../directory/scopes.ts';
import type { User } from '../../directory/seed.ts';
import { Refusal } from '../../requests/aadsts.ts';
import { requireParameter } from '../../requests/call.ts';
import type { Claims } from '../../tokens/jwt.ts';
import type { World } from '../../world.ts';
import { respondToUser, type TokenRequest, type TokenResponse } from './user-tokens.ts';

/**
 * An agent acts as its own user, by a token that it got for the exchange. Learn, "Agent's user account flow in agents"; the
 * parameters are those that MSAL sends.
 * @throws Refusal 50013, 500131, 500133 for the token; 900144, 50034, 50057, 700213 for the user.
 */
export function userFic(world: World, request: TokenRequest): TokenResponse {
  const { form, client, realm } = request;
  const claims = checkCredential(world, request, requireParameter(form, 'user_federated_identity_credential'));
  const user = findUser(world, request);
  const tid = realm.tenant?.tid ?? client.tid;
  if (user?.tid !== tid) throw new Refusal(50034, { tenant: realm.segment });
  // The trust in its one agent is a federated credential that every such user has from the start.
  if (user.identityParentId !== client.appId) throw new Refusal(700213, { value: String(claims.sub) });
  if (user.disabled) throw new Refusal(50057);
  const grant = {
    ...{ client, user, tid, sid: randomUUID(), authTime: world.now(), acrs: [], mfa: false },
    ...{ generation: world.state.generation(user), platform: 'web' as const, family: randomUUID() },
  };
  return respondToUser(world, request, grant, readScopes(world, form, requireParameter(form, 'scope'), tid));
}

/** The token must be this client's own, for the exchange: that of its blueprint is only its client assertion. */
function checkCredential({ keys, directory, issuerFor, now }: World, { client }: TokenRequest, token: string): Claims {
  const claims = keys.verify(token);
  if (!claims || claims.iss !== issuerFor(client.tid)) throw new Refusal(50013);
  if (Number(claims.exp) <= now()) throw new Refusal(500133);
  const resource = directory.findApp(String(claims.aud));
  if (!resource || !isTokenExchange(resource) || claims.azp !== client.appId) {
    throw new Refusal(500131, { audience: String(claims.azp), client: client.appId });
  }
  return claims;
}

/** By `username`, else by `user_id`. */
function findUser({ directory }: World, { form }: TokenRequest): User | undefined {
  const id = form.get('user_id');
  return id && !form.get('username') ? directory.user(id) : directory.userByUpn(requireParameter(form, 'username'));
}
