import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { Fault } from './fault.ts';

export type BearerOptions = {
  /** Where the tokens come from, e.g. `https://login.microsoftonline.com`. */
  authorityHost: string;
  /** The API's client id: `aud` of an Entra v2 access token. */
  audience: string;
  /** The tenants whose tokens are taken. */
  tenants: readonly string[];
  /** The client ids (`azp`) that may call; empty means any. */
  allowedClients: readonly string[];
  /** The signing keys; `remoteKeys` unless a test brings its own. */
  keys: JWTVerifyGetKey;
  now?: () => Date;
};

/** The claims of an Entra v2.0 access token that decisions rest on. Learn: "Access token claims reference". */
const claimsSchema = z.object({
  ver: z.literal('2.0'),
  iss: z.string(),
  tid: z.guid(),
  oid: z.string().min(1),
  sub: z.string().min(1),
  exp: z.number(),
  azp: z.string().min(1),
  scp: z.string().optional(),
  roles: z.array(z.string()).default([]),
  idtyp: z.string().optional(),
  acrs: z.array(z.string()).default([]),
  name: z.string().optional(),
  preferred_username: z.string().optional(),
});

export type AccessTokenClaims = z.output<typeof claimsSchema> & { scopes: string[] };

/** Clocks of nodes differ by seconds; more is a fault to see, not to hide. */
const clockToleranceSeconds = 60;

const bearerShape = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/** Entra's keys: cached for a day, fetched again for an unknown `kid` at most once per `cooldownMs`. */
export function remoteKeys(authorityHost: string, tenant: string, cooldownMs = 30_000): JWTVerifyGetKey {
  const url = new URL(`${authorityHost}/${tenant}/discovery/v2.0/keys`);
  return createRemoteJWKSet(url, { timeoutDuration: 3_000, cooldownDuration: cooldownMs, cacheMaxAge: 86_400_000 });
}

/**
 * Validates `Authorization: Bearer` as Entra's access token for this API: RS256 signature, `iss` exact for the token's
 * `tid`, `aud`, times, version, tenant and client. What it may do is the route's question: `requireScope`.
 * @throws Fault `invalid_token` (RFC 6750 section 3.1), `unavailable` while no key was ever loaded.
 */
export function createBearer(options: BearerOptions) {
  const { authorityHost, audience, tenants, allowedClients, keys, now = () => new Date() } = options;
  return async (authorization: string | undefined): Promise<AccessTokenClaims> => {
    // RFC 6750 section 3.1: a request without credentials is told the scheme only.
    if (authorization === undefined) throw refuse('A bearer token is needed.', undefined, 'Bearer');
    const token = bearerShape.exec(authorization)?.[1];
    if (!token) throw refuse('The Authorization header is not a bearer token.');
    const payload = await verify(token, keys, { audience, currentDate: now() });
    const parsed = claimsSchema.safeParse(payload);
    if (!parsed.success) throw refuse('The token is not a v2.0 access token.', parsed.error);
    const claims = parsed.data;
    if (!tenants.includes(claims.tid)) throw refuse('The token is from a tenant that is not served.');
    if (claims.iss !== `${authorityHost}/${claims.tid}/v2.0`) throw refuse('The issuer is not the one of its tenant.');
    if (allowedClients.length > 0 && !allowedClients.includes(claims.azp)) {
      throw refuse('The token was issued to a client that is not allowed here.');
    }
    return { ...claims, scopes: claims.scp?.split(' ').filter(Boolean) ?? [] };
  };
}

/** Lets a user's token with this delegated scope pass. @throws Fault `insufficient_scope`. */
export function requireScope(claims: AccessTokenClaims, scope: string): void {
  if (claims.scp !== undefined && claims.idtyp !== 'app' && claims.scopes.includes(scope)) return;
  throw forbid(`The token lacks the scope ${scope}.`, scope);
}

/** Lets an app-only token with this app role pass. @throws Fault `insufficient_scope`. */
export function requireRole(claims: AccessTokenClaims, role: string): void {
  if (claims.scp === undefined && claims.idtyp !== 'user' && claims.roles.includes(role)) return;
  throw forbid(`The token is not an app's token with the role ${role}.`, role);
}

async function verify(token: string, keys: JWTVerifyGetKey, options: { audience: string; currentDate: Date }) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      ...options,
      algorithms: ['RS256'],
      typ: 'JWT',
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'nbf', 'iss', 'aud'],
    });
    return payload satisfies JWTPayload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refuse('The token has expired.', error);
    if (isOurTrouble(error)) {
      throw new Fault('unavailable', 'The signing keys cannot be fetched.', { cause: error, retryAfterSeconds: 5 });
    }
    throw refuse('The token is not valid here.', error);
  }
}

/** jose throws its own errors for bad tokens; a network error or a time-out means the keys could not be had. */
function isOurTrouble(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true;
  if (error instanceof errors.JOSEError) return error.code === 'ERR_JOSE_GENERIC';
  return true;
}

function refuse(description: string, cause?: unknown, challenge?: string): Fault {
  return new Fault('invalid_token', description, {
    cause,
    challenge: challenge ?? `Bearer error="invalid_token", error_description="${description}"`,
  });
}

function forbid(description: string, scope: string): Fault {
  return new Fault('insufficient_scope', description, {
    challenge: `Bearer error="insufficient_scope", scope="${scope}"`,
  });
}
