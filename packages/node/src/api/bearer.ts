import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { bearerChallenge, insufficientClaims, insufficientScope, invalidToken } from '../core/challenge.ts';
import { Fault } from '../core/fault.ts';
import type { Authority } from '../core/keys/signing-keys.ts';
import { Secret } from '../core/secret.ts';
import { measure, secondsSince } from '../core/telemetry/measures.ts';
import { inSpan } from '../core/telemetry/tracing.ts';

/** Beside the authority, `remoteAuthority` unless a test brings its own. */
export type BearerOptions = Authority & {
  /** The API's client id: `aud` of an Entra v2 access token. */
  audience: string;
  /** The tenants whose tokens are taken. */
  tenants: readonly string[];
  /** The client ids (`azp`) that may call; empty means any. */
  allowedClients: readonly string[];
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
  // An ID token has none.
  azp: z.string().min(1),
  scp: z.string().optional(),
  roles: z.array(z.string()).default([]),
  idtyp: z.string().optional(),
  acrs: z.array(z.string()).default([]),
  name: z.string().optional(),
  preferred_username: z.string().optional(),
});

/** `token` is the token itself, for the on-behalf-of grant. */
export type AccessTokenClaims = z.output<typeof claimsSchema> & { scopes: string[]; token: Secret };

/** Gives the claims of a request's bearer token. */
export type Bearer = (authorization: string | undefined) => Promise<AccessTokenClaims>;

/** Clocks of nodes differ by seconds; more is a fault to see, not to hide. */
const clockToleranceSeconds = 60;

const bearerShape = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/**
 * Validates `Authorization: Bearer` as Entra's access token for this API: RS256 signature, `iss` exact for the token's
 * `tid`, `aud`, times, version, tenant and client. What it may do is the route's question: `requireScope`.
 * @throws Fault `invalid_token` (RFC 6750 section 3.1), `unavailable` while the key cannot be fetched.
 */
export function createBearer(options: BearerOptions): Bearer {
  const { issuerOf, audience, tenants, allowedClients, keys, now = () => new Date() } = options;
  const check: Bearer = async (authorization) => {
    // RFC 6750 section 3.1: a request without credentials is told the scheme only.
    if (authorization === undefined) {
      throw new Fault('invalid_token', 'A bearer token is needed.', { challenge: bearerChallenge() });
    }
    const token = bearerShape.exec(authorization)?.[1];
    if (!token) throw invalidToken('The Authorization header is not a bearer token.');
    const claims = await verify(token, keys, { audience, currentDate: now() });
    if (!tenants.includes(claims.tid)) throw invalidToken('The token is from a tenant that is not served.');
    if (claims.iss !== issuerOf(claims.tid)) throw invalidToken('The issuer is not the one of its tenant.');
    if (allowedClients.length > 0 && !allowedClients.includes(claims.azp)) {
      throw invalidToken('The token was issued to a client that is not allowed here.');
    }
    return { ...claims, scopes: claims.scp?.split(' ').filter(Boolean) ?? [], token: new Secret(token) };
  };
  return (authorization) => measured(() => check(authorization));
}

/** A check as span and measurement. */
async function measured<T>(check: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const done = (result: string) =>
    measure('onbehalf.token.validate.duration', secondsSince(startedAtMs), { 'onbehalf.validation.result': result });
  return await inSpan('token.validate', async (span) => {
    try {
      const claims = await check();
      span?.setAttribute('onbehalf.validation.result', 'ok');
      done('ok');
      return claims;
    } catch (error) {
      const result = resultOf(error);
      span?.setAttribute('onbehalf.validation.result', result);
      done(result);
      throw error;
    }
  });
}

function resultOf(error: unknown): string {
  if (error instanceof Fault && error.code === 'unavailable') return 'unavailable';
  const { cause } = error as Error;
  if (cause instanceof errors.JWTExpired) return 'expired';
  if (cause instanceof errors.JWSSignatureVerificationFailed || cause instanceof errors.JWKSNoMatchingKey) {
    return 'signature';
  }
  return cause instanceof errors.JWTClaimValidationFailed && cause.claim === 'aud' ? 'audience' : 'claims';
}

/**
 * Whether an app acts on its own account. `idtyp` says so where the registration asks for it; without it, of app-only
 * tokens alone `oid` is `sub`, since a user's `sub` is pairwise. Learn: "Verify scopes and app roles protected web API".
 */
function isApp({ idtyp, scp, oid, sub }: AccessTokenClaims): boolean {
  return idtyp === undefined ? scp === undefined && oid === sub : idtyp === 'app';
}

/**
 * Lets a user's token with this delegated scope pass. `requested` is how a client asks Entra ID for it: a bare name is
 * Graph's there. @throws Fault `insufficient_scope`.
 */
export function requireScope(claims: AccessTokenClaims, scope: string, requested: string = scope): void {
  if (!isApp(claims) && claims.scopes.includes(scope)) return;
  throw insufficientScope(`The token lacks the scope ${scope}.`, requested);
}

/** Lets an app-only token with this app role pass. @throws Fault `insufficient_scope`. */
export function requireRole(claims: AccessTokenClaims, role: string): void {
  if (isApp(claims) && claims.roles.includes(role)) return;
  throw insufficientScope(`The token is not an app's token with the role ${role}.`, role);
}

/**
 * Lets a token pass that satisfied this authentication context, e.g. `c1`, else asks for it (step-up). Learn:
 * "Developers' guide to Conditional Access authentication context". @throws Fault `insufficient_claims`.
 */
export function requireAuthContext(claims: AccessTokenClaims, context: string): void {
  if (claims.acrs.includes(context)) return;
  throw insufficientClaims(JSON.stringify({ access_token: { acrs: { essential: true, value: context } } }));
}

/** Learn, "Access tokens": the registration of the API decides the version. */
const isVersion1 =
  'The token is a v1.0 access token. Set requestedAccessTokenVersion to 2 in the registration of this API.';

async function verify(token: string, keys: JWTVerifyGetKey, options: { audience: string; currentDate: Date }) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      ...options,
      algorithms: ['RS256'],
      typ: 'JWT',
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'nbf', 'iss', 'aud'],
    });
    if (payload.ver === '1.0') throw invalidToken(isVersion1);
    return claimsSchema.parse(payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) throw invalidToken(findReason(error), error);
    if (error instanceof z.ZodError) throw invalidToken('The token is not a v2.0 access token.', error);
    throw error;
  }
}

/** What is wrong with a token, in words that name the mend; of one whose signature does not hold, nothing. */
function findReason(error: errors.JOSEError): string {
  const isOfClaims = error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired;
  if (!isOfClaims) return 'The token is not valid here.';
  if (error.payload.ver === '1.0') return isVersion1;
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error.reason !== 'check_failed') return 'The token is not valid here.';
  if (error.claim === 'aud') return 'The token is for another audience.';
  return error.claim === 'nbf' ? 'The token is not valid yet: a clock is wrong.' : 'The token is not valid here.';
}
