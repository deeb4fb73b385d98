import type { User } from '../directory/seed.ts';
import { type Call, type HttpResponse, json } from '../requests/call.ts';
import type { Claims } from '../tokens/jwt.ts';
import { pairwise, readAio } from '../tokens/tokens.ts';
import type { World } from '../world.ts';

/** OIDC Core section 5.3: for a Graph token with `openid`. */
export function userinfo(world: World, call: Call): HttpResponse {
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

/** Microsoft Graph's `GET /me`, with the four members that most programs read. */
export function me(world: World, call: Call): HttpResponse {
  return withToken(world, call, 'User.Read', ({ oid, name, upn }) => ({
    id: oid,
    displayName: name,
    userPrincipalName: upn,
    mail: upn,
  }));
}

function withToken(
  world: World,
  call: Call,
  scope: string,
  work: (user: User, claims: Claims, scopes: string[]) => object,
): HttpResponse {
  const bearer = /^Bearer (.+)$/i.exec(call.headers.authorization ?? '')?.[1];
  const claims = bearer ? world.keys.verify(bearer) : undefined;
  const user = world.directory.user(String(claims?.oid));
  const fresh = Number(claims?.exp) > world.now() && claims?.aud === 'https://graph.microsoft.com';
  if (!claims || !user || !fresh) return fail(call, 401, 'InvalidAuthenticationToken', 'Bearer');
  const evaluated = Array.isArray(claims.xms_cc) && claims.xms_cc.includes('CP1');
  if (evaluated && readAio(claims).generation !== world.state.generation(user)) {
    return fail(call, 401, 'TokenCreatedWithOutdatedPolicies', challengeSince(world, user));
  }
  const scopes = String(claims.scp).split(' ');
  if (!scopes.includes(scope)) return fail(call, 403, 'Authorization_RequestDenied');
  return { ...json(200, work(user, claims, scopes)), outcome: 'ok' };
}

/** An error in Graph's own form. */
function fail({ ids }: Call, status: number, code: string, challenge?: string): HttpResponse {
  const innerError = { 'request-id': ids.traceId, 'client-request-id': ids.correlationId };
  const headers: Record<string, string> = challenge ? { 'WWW-Authenticate': challenge } : {};
  return { ...json(status, { error: { code, message: code, innerError } }, headers), outcome: code };
}

/** A claims challenge: sign in again, later than the revocation. Learn: "Claims challenges, claims requests". */
function challengeSince({ browserOrigin, state }: World, user: User): string {
  const nbf = { essential: true, value: String(state.revokedSince(user)) };
  const claims = Buffer.from(JSON.stringify({ access_token: { nbf } })).toString('base64');
  const authorize = `${browserOrigin}/common/oauth2/v2.0/authorize`;
  return `Bearer realm="", authorization_uri="${authorize}", error="insufficient_claims", claims="${claims}"`;
}
