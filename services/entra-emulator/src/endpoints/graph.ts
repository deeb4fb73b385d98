import type { User } from '../directory/seed.ts';
import { type Answer, type Call, json } from '../requests/call.ts';
import type { Claims } from '../tokens/keys.ts';
import { pairwise, readAio } from '../tokens/tokens.ts';
import type { World } from '../world.ts';

/** OIDC Core section 5.3: for a Graph token with `openid`. */
export function userinfo(world: World, call: Call): Answer {
  return withToken(world, call, 'openid', (user, { azp }, scopes) => {
    const [given, ...family] = user.name.split(' ');
    const client = world.directory.findApp(String(azp));
    return {
      sub: client ? pairwise(user, client) : user.oid,
      name: user.name,
      given_name: given,
      family_name: family.join(' '),
      ...(scopes.includes('email') && { email: user.upn }),
    };
  });
}

/** Microsoft Graph's `GET /me`, the four members everyone asks for. */
export function me(world: World, call: Call): Answer {
  return withToken(world, call, 'User.Read', ({ oid, name, upn }) => ({
    id: oid,
    displayName: name,
    userPrincipalName: upn,
    mail: upn,
  }));
}

function withToken(
  world: World,
  { headers, ids }: Call,
  scope: string,
  work: (user: User, claims: Claims, scopes: string[]) => object,
): Answer {
  const error = (status: number, code: string, challenge?: string): Answer => ({
    ...json(
      status,
      {
        error: {
          code,
          message: code,
          innerError: { 'request-id': ids.traceId, 'client-request-id': ids.correlationId },
        },
      },
      challenge ? { 'WWW-Authenticate': challenge } : {},
    ),
    outcome: code,
  });
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
  const claims = bearer ? world.keys.verify(bearer) : undefined;
  const user = world.directory.user(String(claims?.oid));
  const fresh = Number(claims?.exp) > world.now() && claims?.aud === 'https://graph.microsoft.com';
  if (!claims || !user || !fresh) return error(401, 'InvalidAuthenticationToken', 'Bearer');
  const evaluated = Array.isArray(claims.xms_cc) && claims.xms_cc.includes('CP1');
  if (evaluated && readAio(claims).generation !== world.state.generationOf(user)) {
    return error(401, 'TokenCreatedWithOutdatedPolicies', challengeSince(world, user));
  }
  const scopes = String(claims.scp).split(' ');
  if (!scopes.includes(scope)) return error(403, 'Authorization_RequestDenied');
  return { ...json(200, work(user, claims, scopes)), outcome: 'ok' };
}

/** A claims challenge: sign in again, later than the revocation. Learn: "Claims challenges, claims requests". */
function challengeSince({ browserOrigin, state }: World, user: User): string {
  const nbf = { essential: true, value: String(state.revokedSince(user)) };
  const claims = Buffer.from(JSON.stringify({ access_token: { nbf } })).toString('base64');
  const authorize = `${browserOrigin}/common/oauth2/v2.0/authorize`;
  return `Bearer realm="", authorization_uri="${authorize}", error="insufficient_claims", claims="${claims}"`;
}
