import { hash } from 'node:crypto';
import { isGraph } from '../directory/scopes.ts';
import type { App, User } from '../directory/seed.ts';
import type { Lifetimes } from '../lifetimes.ts';
import { type Claims, opaque } from './keys.ts';
import type { Minted, Sign } from './sign.ts';
import type { Grant } from './state.ts';

type Minting = { sign: Sign; lifetimes: Lifetimes; issuerOf: (tid: string) => string };
type IdTokenOptions = { scopes: string[]; nonce: string | undefined; wantsAuthTime: boolean; hold: boolean };
type AccessTokenOptions = { scp: string[]; azpacr: string; cp1: boolean; hold: boolean };

/** Makes Entra's three tokens, claim by claim. Learn: "ID token claims reference", "Access token claims reference". */
export type Tokens = ReturnType<typeof createTokens>;

export function createTokens({ sign, lifetimes, issuerOf }: Minting) {
  const federatedTokenData = opaque();
  const accessLife = () => lifetimes.access + Math.floor(Math.random() * (lifetimes.accessJitter + 1));

  return {
    idToken(grant: Grant, { scopes, nonce, wantsAuthTime, hold }: IdTokenOptions): string {
      const { client, user, acrs, authTime } = grant;
      const optional = client.optionalClaims.idToken;
      const claims = {
        ...{ aud: client.appId, iss: issuerOf(grant.tid) },
        ...personOf(grant, client),
        ...(nonce !== undefined && { nonce }),
        ...(scopes.includes('email') && { email: user.upn }),
        ...(wantsAuthTime && { auth_time: Math.floor(authTime) }),
        ...(optional.includes('login_hint') && { login_hint: loginHint(user) }),
        ...(optional.includes('acrs') && acrs.length > 0 && { acrs }),
        ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
      };
      return sign(claims, { life: lifetimes.id, hold }).token;
    },
    userToken(grant: Grant, resource: App, { scp, azpacr, cp1, hold }: AccessTokenOptions): Minted {
      const { client, user, acrs } = grant;
      const optional = resource.optionalClaims.accessToken;
      const evaluated = resource.cae && cp1;
      const claims = {
        ...{ aud: audienceOf(resource), iss: issuerOf(grant.tid), azp: client.appId, azpacr, scp: scp.join(' ') },
        ...personOf(grant, resource),
        ...(acrs.length > 0 && { acrs }),
        ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
        ...((evaluated || (cp1 && optional.includes('xms_cc'))) && { xms_cc: ['CP1'] }),
        ...(optional.includes('idtyp') && { idtyp: 'user' }),
      };
      return sign(claims, { life: evaluated ? lifetimes.cae : accessLife(), hold });
    },
    appToken(client: App, resource: App, tid: string, azpacr: string): Minted {
      const granted = client.granted.filter(({ resource: id }) => [resource.name, resource.appId].includes(id));
      const roles = granted.flatMap((entry) => entry.roles);
      const claims = {
        ...{ aud: audienceOf(resource), iss: issuerOf(tid), azp: client.appId, azpacr, oid: client.spId },
        ...{ sub: client.spId, tid, ver: '2.0', xms_ftd: federatedTokenData },
        ...(roles.length > 0 && { roles }),
        ...(resource.optionalClaims.accessToken.includes('idtyp') && { idtyp: 'app' }),
      };
      return sign(claims, { life: accessLife() });
    },
  };
}

function personOf(grant: Grant, audience: App) {
  const { user, tid, sid } = grant;
  return {
    ...{ aio: aioOf(grant), name: user.name, oid: user.oid, preferred_username: user.upn, sid },
    ...{ sub: pairwise(user, audience), tid, ver: '2.0' },
    ...rolesOf(user, audience),
  };
}

/** An API is named by its client id, Graph by its URI. */
function audienceOf(resource: App): string {
  return isGraph(resource) ? 'https://graph.microsoft.com' : resource.appId;
}

/** A user has another `sub` at every application. OIDC Core section 8.1. */
export function pairwise({ tid, oid }: User, { appId }: App): string {
  return hash('sha256', `${tid} ${oid} ${appId}`, 'base64url');
}

/**
 * The end of a claim opaque to everyone but the emulator, which finds in it what the token's holder did: the user's sign-in generation, so
 * that `revoke` can tell tokens of one second apart, and whether a step-up was approved.
 */
function aioOf({ generation, mfa }: Grant): string {
  return `.${generation}.${Number(mfa)}`;
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
