import { createHash } from 'node:crypto';
import { type Claims, opaque } from './keys.ts';
import type { Lifetimes } from './lifetimes.ts';
import { isGraph } from './scopes.ts';
import type { App, User } from './seed.ts';
import type { Grant } from './state.ts';

/** Signs claims, or finds a token with claims that are as good; `hold` keeps it for its whole life. */
export type Sign = (claims: Claims & { exp: number }, hold?: boolean) => { token: string; exp: number };

export type Minted = { token: string; expiresIn: number };

type Minting = { sign: Sign; lifetimes: Lifetimes; origin: string; now: () => number };
type IdTokenOptions = { scopes: string[]; nonce: string | undefined; wantsAuthTime: boolean; hold: boolean };
type AccessTokenOptions = { scp: string[]; azpacr: string; cp1: boolean; hold?: boolean };

/** Makes Entra's three tokens, claim by claim. Learn: "ID token claims reference", "Access token claims reference". */
export type Tokens = ReturnType<typeof createTokens>;

export function createTokens({ sign, lifetimes, origin, now }: Minting) {
  const issued = (tid: string, life: number) => {
    const iat = Math.floor(now());
    return { iss: `${origin}/${tid}/v2.0`, iat, nbf: iat, exp: iat + life };
  };
  const jittered = (life: number) => life + Math.floor(Math.random() * (lifetimes.accessJitter + 1));
  const mint = (claims: Claims & { exp: number }, hold?: boolean): Minted => {
    const { token, exp } = sign(claims, hold);
    return { token, expiresIn: exp - Math.floor(now()) };
  };

  return {
    idToken(grant: Grant, { scopes, nonce, wantsAuthTime, hold }: IdTokenOptions): string {
      const { client, user, acrs, authTime } = grant;
      const optional = client.optionalClaims.idToken;
      const claims = {
        aud: client.appId,
        ...issued(grant.tid, lifetimes.id),
        ...personOf(grant, client),
        ...(nonce !== undefined && { nonce }),
        ...(scopes.includes('email') && { email: user.upn }),
        ...(wantsAuthTime && { auth_time: Math.floor(authTime) }),
        ...(optional.includes('login_hint') && { login_hint: loginHint(user) }),
        ...(optional.includes('acrs') && acrs.length > 0 && { acrs }),
        ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
      };
      return sign(claims, hold).token;
    },
    userToken(grant: Grant, resource: App, { scp, azpacr, cp1, hold }: AccessTokenOptions): Minted {
      const { client, user, acrs } = grant;
      const optional = resource.optionalClaims.accessToken;
      const evaluated = resource.cae && cp1;
      const claims = {
        aud: audienceOf(resource),
        ...issued(grant.tid, evaluated ? lifetimes.cae : jittered(lifetimes.access)),
        ...{ azp: client.appId, azpacr, scp: scp.join(' ') },
        ...personOf(grant, resource),
        ...(acrs.length > 0 && { acrs }),
        ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
        ...((evaluated || (cp1 && optional.includes('xms_cc'))) && { xms_cc: ['CP1'] }),
        ...(optional.includes('idtyp') && { idtyp: 'user' }),
      };
      return mint(claims, hold);
    },
    appToken(client: App, resource: App, tid: string, azpacr: string): Minted {
      const granted = client.granted.filter(({ resource: id }) => [resource.name, resource.appId].includes(id));
      const roles = granted.flatMap((entry) => entry.roles);
      return mint({
        aud: audienceOf(resource),
        ...issued(tid, jittered(lifetimes.access)),
        ...{ aio: opaque(), azp: client.appId, azpacr, oid: client.spId, rh: `1.${opaque()}`, sub: client.spId, tid },
        ...{ uti: opaque(), ver: '2.0', xms_ftd: opaque() },
        ...(roles.length > 0 && { roles }),
        ...(resource.optionalClaims.accessToken.includes('idtyp') && { idtyp: 'app' }),
      });
    },
  };
}

function personOf(grant: Grant, audience: App) {
  const { user, tid, sid } = grant;
  return {
    ...{ aio: aioOf(grant), name: user.name, oid: user.oid, preferred_username: user.upn, rh: `1.${opaque()}`, sid },
    ...{ sub: pairwise(user, audience), tid, uti: opaque(), ver: '2.0' },
    ...rolesOf(user, audience),
  };
}

/** An API is named by its client id, Graph by its URI. */
function audienceOf(resource: App): string {
  return isGraph(resource) ? 'https://graph.microsoft.com' : resource.appId;
}

/** A user has another `sub` at every application. OIDC Core section 8.1. */
export function pairwise(user: User, audience: App): string {
  return createHash('sha256').update(`${user.tid} ${user.oid} ${audience.appId}`).digest('base64url');
}

/**
 * Opaque to everyone but the emulator, which finds in it what the token's holder did: the user's sign-in generation, so
 * that `revoke` can tell tokens of one second apart, and whether a step-up was approved.
 */
function aioOf({ generation, mfa }: Grant): string {
  return `${opaque()}.${generation}.${Number(mfa)}`;
}

export function readAio(claims: Claims): { generation: number; mfa: boolean } {
  const [, generation = '0', mfa] = String(claims.aio).split('.');
  return { generation: Number(generation), mfa: mfa === '1' };
}

/** The value of the `login_hint` claim: opaque, taken as a parameter of the same name. */
export function loginHint(user: User): string {
  return `O.${Buffer.from(user.oid).toString('base64url')}`;
}

function rolesOf(user: User, audience: App): { roles?: string[] } {
  const declared = audience.appRoles.filter(({ allowedMemberTypes }) => allowedMemberTypes.includes('User'));
  const roles = user.roles.filter((role) => declared.some(({ value }) => value === role));
  return roles.length > 0 ? { roles } : {};
}
