import { createHash } from 'node:crypto';
import { actorClaims, subjectFacets } from '../directory/agents.ts';
import { isGraph } from '../directory/scopes.ts';
import type { App, User } from '../directory/seed.ts';
import type { Lifetimes } from '../lifetimes.ts';
import type { Grant } from './grant.ts';
import { type Claims, opaque } from './jwt.ts';
import type { Minted, Sign } from './sign.ts';

type Minting = { sign: Sign; lifetimes: Lifetimes; issuerFor: (tid: string) => string };
type IdTokenOptions = { scopes: string[]; nonce: string | undefined; wantsAuthTime: boolean; hold: boolean };
type AppTokenOptions = { tid: string; azpacr: string; subject?: string | undefined };
type AccessTokenOptions = { scp: string[]; azpacr: string; cp1: boolean; hold: boolean };

/** Makes Entra's three tokens, claim by claim. Learn: "ID token claims reference", "Access token claims reference". */
export class Tokens {
  readonly #sign: Sign;
  readonly #lifetimes: Lifetimes;
  readonly #issuerFor: (tid: string) => string;
  readonly #federatedTokenData = opaque();

  constructor({ sign, lifetimes, issuerFor }: Minting) {
    this.#sign = sign;
    this.#lifetimes = lifetimes;
    this.#issuerFor = issuerFor;
  }

  idToken(grant: Grant, { scopes, nonce, wantsAuthTime, hold }: IdTokenOptions): string {
    const { client, user, acrs, authTime } = grant;
    const optional = client.optionalClaims.idToken;
    const claims = {
      ...{ aud: client.appId, iss: this.#issuerFor(grant.tid) },
      ...personClaims(grant, client),
      ...(nonce !== undefined && { nonce }),
      ...(scopes.includes('email') && { email: user.upn }),
      ...(wantsAuthTime && { auth_time: Math.floor(authTime) }),
      ...(optional.includes('login_hint') && { login_hint: loginHint(user) }),
      ...(optional.includes('acrs') && acrs.length > 0 && { acrs }),
      ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
    };
    return this.#sign(claims, { life: this.#lifetimes.id, hold }).token;
  }

  userToken(grant: Grant, resource: App, { scp, azpacr, cp1, hold }: AccessTokenOptions): Minted {
    const { client, user, acrs } = grant;
    const optional = resource.optionalClaims.accessToken;
    const evaluated = resource.cae && cp1;
    const [aud, iss] = [toAudience(resource), this.#issuerFor(grant.tid)];
    const claims = {
      ...{ aud, iss, azp: client.appId, azpacr, scp: scp.join(' ') },
      ...personClaims(grant, resource),
      ...(acrs.length > 0 && { acrs }),
      ...(optional.includes('groups') && user.groups.length > 0 && { groups: user.groups }),
      ...((evaluated || (cp1 && optional.includes('xms_cc'))) && { xms_cc: ['CP1'] }),
      ...((optional.includes('idtyp') || client.agentIdentityBlueprintId) && { idtyp: 'user' }),
      ...actorClaims(client),
      ...(client.agentIdentityBlueprintId && subjectFacets(user)),
    };
    return this.#sign(claims, { life: evaluated ? this.#lifetimes.cae : this.#accessLife(), hold });
  }

  /** `subject`: in place of the client, the agent that a blueprint acts as. */
  appToken(client: App, resource: App, { tid, azpacr, subject }: AppTokenOptions): Minted {
    const granted = client.granted.filter(({ resource: id }) => [resource.name, resource.appId].includes(id));
    const roles = granted.flatMap((entry) => entry.roles);
    const [aud, iss] = [toAudience(resource), this.#issuerFor(tid)];
    const claims = {
      ...{ aud, iss, azp: client.appId, azpacr, oid: client.spId },
      ...{ sub: subject ?? client.spId, tid, ver: '2.0', xms_ftd: this.#federatedTokenData },
      ...(roles.length > 0 && { roles }),
      ...((resource.optionalClaims.accessToken.includes('idtyp') || subject) && { idtyp: 'app' }),
      ...agentClaims(client),
    };
    return this.#sign(claims, { life: this.#accessLife() });
  }

  #accessLife(): number {
    return this.#lifetimes.access + Math.floor(Math.random() * (this.#lifetimes.accessJitter + 1));
  }
}

/** An agent for itself: its `sub` is not its `oid`, and its `scp` names nothing. */
function agentClaims(client: App) {
  return (
    client.agentIdentityBlueprintId && {
      ...{ ...actorClaims(client), xms_sub_fct: '9 3 11', idtyp: 'app', sub: client.appId, scp: '/' },
    }
  );
}

function personClaims(grant: Grant, audience: App) {
  const { user, tid, sid } = grant;
  return {
    ...{ aio: writeAio(grant), name: user.name, oid: user.oid, preferred_username: user.upn, sid },
    ...{ sub: pairwise(user, audience), tid, ver: '2.0' },
    ...roleClaim(user, audience),
  };
}

/** An API is named by its client id, Graph by its URI. */
function toAudience(resource: App): string {
  return isGraph(resource) ? 'https://graph.microsoft.com' : resource.appId;
}

/** A user has another `sub` at every application. OIDC Core section 8.1. */
export function pairwise({ tid, oid }: User, { appId }: App): string {
  return createHash('sha256').update(`${tid} ${oid} ${appId}`).digest('base64url');
}

/**
 * The end of `aio`, which only the emulator reads: the user's sign-in generation, so that `revoke` can tell tokens of
 * one second apart, and whether a step-up was approved.
 */
function writeAio({ generation, mfa }: Grant): string {
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

function roleClaim(user: User, audience: App): { roles?: string[] } {
  const declared = audience.appRoles.filter(({ allowedMemberTypes }) => allowedMemberTypes.includes('User'));
  const roles = user.roles.filter((role) => declared.some(({ value }) => value === role));
  return roles.length > 0 ? { roles } : {};
}
