import { createHash } from 'node:crypto';
import type { ClientAuthentication } from './client-auth.ts';
import { type Claims, type Keys, opaque } from './keys.ts';
import type { Lifetimes } from './lifetimes.ts';
import { isGraph } from './scopes.ts';
import type { App, User } from './seed.ts';
import type { Grant, State } from './state.ts';

type Minting = { keys: Keys; state: State; lifetimes: Lifetimes; origin: string; now: () => number };

export type Minted = { token: string; expiresIn: number };

type AccessTokenRequest = {
  grant: Grant;
  resource: App;
  scp: string[];
  authentication: ClientAuthentication;
  cp1: boolean;
};

/** Makes Entra's three tokens, claim by claim. Learn: "ID token claims reference", "Access token claims reference". */
export type Tokens = ReturnType<typeof createTokens>;

export function createTokens({ keys, state, lifetimes, origin, now }: Minting) {
  const issued = (tid: string, life: number) => {
    const iat = Math.floor(now());
    return { iss: `${origin}/${tid}/v2.0`, iat, nbf: iat, exp: iat + life };
  };
  const jittered = (life: number) => life + Math.floor(Math.random() * (lifetimes.accessJitter + 1));
  const person = ({ user, tid, sid, mfa }: Grant, audience: App) => ({
    ...{
      aio: aioOf({ generation: state.generationOf(user), mfa }),
      name: user.name,
      oid: user.oid,
      preferred_username: user.upn,
    },
    ...{ rh: `1.${opaque()}`, sid, sub: pairwise(user, audience), tid, uti: opaque(), ver: '2.0' },
    ...rolesOf(user, audience),
  });
  const finish = (claims: Claims, life: number): Minted => ({ token: keys.sign(claims), expiresIn: life });

  return {
    idToken(
      grant: Grant,
      { scopes, nonce, wantsAuthTime }: { scopes: string[]; nonce?: string | undefined; wantsAuthTime?: boolean },
    ): string {
      const { client, user, tid, acrs, authTime } = grant;
      const wanted = client.optionalClaims.idToken;
      return keys.sign({
        aud: client.appId,
        ...issued(tid, lifetimes.id),
        ...person(grant, client),
        ...(nonce !== undefined && { nonce }),
        ...(scopes.includes('email') && { email: user.upn }),
        ...(wantsAuthTime && { auth_time: Math.floor(authTime) }),
        ...(wanted.includes('login_hint') && { login_hint: loginHint(user) }),
        ...(wanted.includes('acrs') && acrs.length > 0 && { acrs }),
        ...(wanted.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
      });
    },
    userToken({ grant, resource, scp, authentication, cp1 }: AccessTokenRequest): Minted {
      const { client, user, tid, acrs } = grant;
      const wanted = resource.optionalClaims.accessToken;
      const evaluated = resource.cae && cp1;
      const life = evaluated ? lifetimes.cae : jittered(lifetimes.access);
      return finish(
        {
          aud: audienceOf(resource),
          ...issued(tid, life),
          ...{ azp: client.appId, azpacr: authentication.azpacr, scp: scp.join(' ') },
          ...person(grant, resource),
          ...(acrs.length > 0 && { acrs }),
          ...(wanted.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
          ...((evaluated || (cp1 && wanted.includes('xms_cc'))) && { xms_cc: ['CP1'] }),
          ...(wanted.includes('idtyp') && { idtyp: 'user' }),
        },
        life,
      );
    },
    appToken(client: App, resource: App, tid: string, authentication: ClientAuthentication): Minted {
      const life = jittered(lifetimes.access);
      const roles = client.granted
        .filter((entry) => [resource.name, resource.appId, resource.identifierUri].includes(entry.resource))
        .flatMap((entry) => entry.roles);
      return finish(
        {
          aud: audienceOf(resource),
          ...issued(tid, life),
          ...{ aio: opaque(), azp: client.appId, azpacr: authentication.azpacr, oid: client.spId },
          ...{ rh: `1.${opaque()}`, sub: client.spId, tid, uti: opaque(), ver: '2.0', xms_ftd: opaque() },
          ...(roles.length > 0 && { roles }),
          ...(resource.optionalClaims.accessToken.includes('idtyp') && { idtyp: 'app' }),
        },
        life,
      );
    },
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
function aioOf({ generation, mfa }: { generation: number; mfa: boolean }): string {
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
