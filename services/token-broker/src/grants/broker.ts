import { randomUUID } from 'node:crypto';
import { isManyTenants } from '@onbehalf/chassis/auth/authority';
import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { unverifiedClaims } from '../clients/callers.ts';
import type { Client } from '../clients/clients.ts';
import type { Limit } from '../clients/rate-limit.ts';
import type { Acquired, Entra } from '../entra/entra.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import { signInMarkMs } from '../lifetimes.ts';
import { createAssertionIndex } from '../sessions/assertion-index.ts';
import type { Session } from '../sessions/record.ts';
import { hashSessionToken } from '../sessions/session-token.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Tombstone, Tombstones } from '../sessions/tombstone.ts';
import { type Names, shortName } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Refusals } from '../tokens/refusals.ts';
import type { Partition, Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { createRedemption, type Redeem } from './redeem-code.ts';

type Deps = {
  entra: Entra;
  store: Store;
  sessions: Sessions;
  tokens: Tokens;
  tombstones: Tombstones;
  refusals: Refusals;
  names: Names;
  perSession: Limit;
  logger: Logger;
  nowMs: () => number;
};

/** A sign-in to redeem, and what it asked for, where the caller repeats that. */
type SignInAsked = Redeem & { scope?: string | undefined };
/** A token to give, as the endpoints ask for it. */
type Asked = { scope: string; claims?: string | undefined; traceId: string };

/** What an access token must say for it to be exchanged on behalf of its user; Entra checks the signature. */
const assertionSchema = z.object({
  aud: z.string(),
  exp: z.number(),
  iat: z.number(),
  tid: z.guid(),
  oid: z.string().min(1),
  scp: z.string().min(1),
  idtyp: z.literal('user').optional(),
});

/** What the broker does, one method a grant; the wire is the business of its endpoints. */
export function createBroker(deps: Deps) {
  const { entra, store, sessions, tokens, tombstones, names, perSession, logger, nowMs } = deps;
  const redemption = createRedemption(deps);
  const index = createAssertionIndex(deps);
  const audit = (event: string, client: string, accountKey: string, more: object = {}) =>
    logger.info({ event: `audit.${event}`, client, account: shortName(accountKey), ...more });

  /** Redeems a sign-in once. @throws Fault `invalid_grant`, `unavailable` (then the code may be sent again) or Entra's class. */
  async function redeem(client: Client, { scope, ...asked }: SignInAsked) {
    if (!client.redirectUris.includes(asked.redirectUri)) {
      throw new Fault('unauthorized_client', 'The client is not configured for this redirect_uri.');
    }
    // A session that could not be ended everywhere does not begin.
    await store.permitted();
    const signIn = await redemption(client, asked);
    if (signIn.sid === undefined) logger.warn({ event: 'flow.sid_missing', client: client.name });
    const { token, session } = await sessions.start(client.name, signIn);
    // They may just have given what a call on behalf of them was refused for. Unmarked, that refusal stands for 30 s.
    // Assertions name the person as the tenant they are for does: of a guest that is not the home account.
    const { localAccountId, tenantId } = session.account;
    await store
      .set(names.signedIn(`${localAccountId}.${tenantId}`), Buffer.from(randomUUID()), signInMarkMs)
      .catch(() => undefined);
    audit('session_started', client.name, session.accountKey, { trace_id: asked.traceId });
    return {
      token,
      idToken: signIn.idToken,
      expiresInSeconds: session.expiresAtSeconds - session.createdAtSeconds,
      scope: sessionScope(client, signIn.scope, scope),
    };
  }

  /** An access token for a session's person. @throws Fault `invalid_grant`, `invalid_scope` or Entra's class. */
  async function exchange(client: Client, sessionToken: string, asked: Asked): Promise<Token> {
    const session = await sessions.find(sessionToken, client.name);
    if (!session) throw new Fault('invalid_grant', 'The session has ended.');
    const { scope, scopes } = allowed(client, asked.scope);
    const { account, accountKey } = session;
    let passed: Tombstone[] = [];
    return await tokens.get({
      client: client.name,
      partition: { key: accountKey, kind: 'account', throttleKey: accountKey },
      tenantId: account.tenantId,
      scope,
      claims: asked.claims,
      prepare: async () => {
        passed = await tombstones.find(account.homeAccountId);
      },
      admit: () => perSession.take(session.hash),
      acquire: async (msal = '') =>
        await entra.refresh(client, { account, msal, scopes, claims: asked.claims, traceId: asked.traceId }),
      beforeWrite: async ({ accessToken, expiresInSeconds }) =>
        await tombstones.noteIssued(accessToken, passed, expiresInSeconds * 1_000),
      onRefused: (refusal) => endRevoked(client, session, refusal),
    });
  }

  /** Only the account's home tenant may say that the account itself is gone. */
  async function endRevoked(client: Client, { account, hash }: Session, refusal: Refusal): Promise<void> {
    if (refusal.class !== 'revoked' || !account.homeAccountId.endsWith(`.${account.tenantId}`)) return;
    const aadsts = refusal.members.error_codes;
    await sessions.revocation.endAccount(hash, { client: client.name, reason: 'revoked', aadsts });
  }

  /** An access token for the next API, on behalf of the assertion's user. @throws Fault as `exchange`. */
  async function onBehalfOf(client: Client, assertion: string, asked: Asked): Promise<Token> {
    const claims = assertionSchema.safeParse(unverifiedClaims(assertion)).data;
    if (!claims) throw new Fault('invalid_grant', "The assertion is not a user's access token.");
    if (claims.aud !== client.clientId) throw new Fault('invalid_grant', 'The assertion is for another audience.');
    if (claims.exp * 1_000 <= nowMs()) throw new Fault('invalid_grant', 'The assertion has expired.');
    if (!isManyTenants(client.tenantId) && claims.tid !== client.tenantId) {
      throw new Fault('invalid_grant', 'The assertion is from another tenant.');
    }
    const { scope, scopes } = allowed(client, asked.scope);
    const key = names.obo(client.name, assertion);
    const throttleKey = names.oboThrottleKey(client.name, claims.tid, claims.oid);
    const homeAccountId = `${claims.oid}.${claims.tid}`;
    const personOf = (acquired: Acquired) => acquired.account?.homeAccountId ?? homeAccountId;
    const shown = { token: assertion, issuedAtSeconds: claims.iat };
    const ofEntra = { assertion, tenantId: claims.tid, scopes, claims: asked.claims, traceId: asked.traceId };
    return await tokens.get({
      client: client.name,
      partition: { key, kind: 'obo', throttleKey },
      tenantId: claims.tid,
      scope,
      claims: asked.claims,
      signIn: async () => (await store.get(names.signedIn(homeAccountId)))?.toString(),
      acquire: async () => {
        await tombstones.refuseEnded(homeAccountId, shown);
        return await entra.onBehalfOf(client, ofEntra);
      },
      beforeWrite: async (acquired) => {
        const lifeMs = acquired.expiresInSeconds * 1_000;
        await index.add(personOf(acquired), key, lifeMs);
        const passed = await tombstones.refuseEnded(personOf(acquired), shown);
        await tombstones.noteIssued(acquired.accessToken, passed, lifeMs);
      },
      afterWrite: async (acquired) => {
        try {
          await index.add(personOf(acquired), key, acquired.expiresInSeconds * 1_000);
          await tombstones.refuseEnded(personOf(acquired), shown);
        } catch (error) {
          // Another pod may have read it in this moment.
          await store.delete(key);
          await store.invalidate([key]);
          throw error;
        }
      },
      onRefused: async (refusal) => {
        if (refusal.class === 'assertion' || refusal.class === 'revoked') await store.delete(key);
      },
    });
  }

  /** A token for the app itself. @throws Fault as `exchange`. */
  async function appToken(client: Client, asked: Asked): Promise<Token> {
    const { scope, scopes } = allowed(client, asked.scope);
    if (scopes.length !== 1 || !scope.endsWith('/.default')) {
      throw new Fault('invalid_scope', 'client_credentials takes exactly one scope: <resource>/.default.');
    }
    const key = names.app(client.name, client.tenantId);
    const partition: Partition = { key, kind: 'app', throttleKey: key };
    const ofEntra = { scopes, claims: asked.claims, traceId: asked.traceId };
    const request = { client: client.name, partition, tenantId: client.tenantId, scope, claims: asked.claims };
    return await tokens.get({ ...request, acquire: () => entra.appToken(client, ofEntra) });
  }

  /** The live session of a token at its own client, else undefined. RFC 7662 section 2.2. @throws Fault `unavailable`. */
  async function introspect(client: Client, token: string): Promise<Session | undefined> {
    return await sessions.find(token, client.name);
  }

  /** Ends the session of a token; an unknown token is fine. RFC 7009 section 2.2. @throws Fault `unavailable`: not yet. */
  async function revoke(client: Client, token: string): Promise<void> {
    await sessions.revocation.end(hashSessionToken(token), { client: client.name, reason: 'sign_out' });
  }

  /** Ends every session of the session's account at this client. Gives their number. @throws Fault `unavailable`. */
  async function endAccountOf(client: Client, token: string): Promise<number> {
    return await sessions.revocation.endAccount(hashSessionToken(token), { client: client.name, reason: 'sign_out' });
  }

  /** Ends what one Entra session carries at this client: OIDC Front-Channel Logout. @throws Fault `unavailable`. */
  async function endBySid(client: Client, sid: string): Promise<number> {
    return await sessions.revocation.endBySid(sid, { client: client.name, reason: 'front_channel' });
  }

  /** Ends every session of a person over all clients. @throws Fault `unauthorized_client` without the permission. */
  async function endPerson(client: Client, tenantId: string, objectId: string): Promise<number> {
    if (!client.permissions.includes('operator')) {
      throw new Fault('unauthorized_client', 'The client lacks the permission operator.');
    }
    // As Entra writes them.
    const homeAccountId = `${objectId}.${tenantId}`.toLowerCase();
    return await sessions.revocation.endPerson(homeAccountId, { client: client.name, reason: 'operator' });
  }

  return {
    redeem,
    exchange,
    onBehalfOf,
    appToken,
    introspect,
    revoke,
    endAccountOf,
    endBySid,
    endPerson,
  };
}

export type Broker = ReturnType<typeof createBroker>;

/** What a session is good for: what the sign-in gave, and of what the caller names also what it may exchange it for. */
function sessionScope(client: Client, given: string, named: string | undefined): string {
  const possible = new Set([...given.split(' '), ...client.scopes]);
  const words = named?.split(' ').filter((one) => possible.has(one)) ?? [];
  return [...new Set(words)].join(' ') || given;
}

type Scopes = { scope: string; scopes: string[] };

/** Per client, because all its requests ask for the same few; a client that is configured anew is a new one. */
const known = new WeakMap<Client, LRUCache<string, Scopes>>();

/** The asked scopes, sorted and each once, if the client may ask for all of them. @throws Fault `invalid_scope`. */
function allowed(client: Client, asked: string): Scopes {
  const remembered = known.get(client) ?? new LRUCache<string, Scopes>({ max: 100 });
  known.set(client, remembered);
  const found = remembered.get(asked);
  if (found) return found;
  const scopes = [...new Set(asked.split(' ').filter(Boolean))].sort();
  if (scopes.length === 0) throw new Fault('invalid_scope', 'The parameter scope names nothing.');
  if (!scopes.every((one) => client.scopes.includes(one))) {
    throw new Fault('invalid_scope', 'The client is not configured for all of these scopes.');
  }
  const made = { scope: scopes.join(' '), scopes };
  remembered.set(asked, made);
  return made;
}
