import { randomUUID } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { Entra, SignIn } from '../entra/entra.ts';
import { type EntraClass, type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { codeLedgerMs, signInMarkMs } from '../lifetimes.ts';
import type { Session } from '../sessions/record.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { accountName, type RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import { logRefusal, type Refusals } from '../tokens/refusals.ts';
import { sessionScope } from './allowed-scopes.ts';

export type RedeemDeps = {
  entra: Entra;
  store: Store;
  sessions: Sessions;
  refusals: Refusals;
  redisKeys: RedisKeys;
  logger: Logger;
};

/** A sign-in to redeem, and the scope that it asked for, if the caller repeats that. */
export type AskedSignIn = {
  code: string;
  redirectUri: string;
  codeVerifier: string;
  nonce?: string | undefined;
  scope?: string | undefined;
  traceId: string;
};

/** The refusals that Entra gives without looking at the code. */
const codeNotSeen = new Set<EntraClass>(['transient', 'throttled', 'credential']);

/** The scopes that MSAL requests with a code; an exchange requests those of an API. */
const signInScopes = ['openid', 'profile', 'offline_access'];

const mark = Buffer.from('1');

/**
 * Redeems authorization codes, each once, and starts their sessions. Writing to the ledger of spent codes also proves that
 * the store is available: a code is not spent on a session that cannot be stored. A code that Entra did not look at may be
 * sent once more.
 */
export class CodeRedemption {
  readonly #deps: RedeemDeps;

  constructor(deps: RedeemDeps) {
    this.#deps = deps;
  }

  /** Redeems a sign-in once. @throws Fault `invalid_grant`, `unavailable` (then the code may be sent again) or Entra's class. */
  async redeem(client: Client, asked: AskedSignIn) {
    const { store, sessions, logger } = this.#deps;
    if (!client.redirectUris.includes(asked.redirectUri)) {
      throw new Fault('unauthorized_client', 'The client is not configured for this redirect_uri.');
    }
    // A session that could not be ended everywhere does not begin.
    await store.permitted();
    const signIn = await this.#redeemCode(client, asked);
    if (signIn.sid === undefined) logger.warn({ event: 'flow.sid_missing', client: client.name });
    const { token, session } = await sessions.start(client.name, signIn);
    await this.#markSignedIn(session);
    const account = accountName(this.#deps.redisKeys, session.account.homeAccountId);
    logger.info({ event: 'audit.session_started', client: client.name, account, trace_id: asked.traceId });
    return {
      token,
      idToken: signIn.idToken,
      expiresInSeconds: session.expiresAtSeconds - session.createdAtSeconds,
      scope: sessionScope(client, signIn.scope, asked.scope),
    };
  }

  async #redeemCode(client: Client, { code, redirectUri, codeVerifier, nonce, traceId }: AskedSignIn): Promise<SignIn> {
    const { entra, store, refusals, redisKeys } = this.#deps;
    const paused = await refusals.recall(this.#throttled(client), undefined);
    if (paused) throw refusals.toFault(paused);
    const spent = redisKeys.code(client.name, code);
    if (!(await store.setIfAbsent(spent, mark, codeLedgerMs))) {
      throw new Fault('invalid_grant', 'The authorization code was used before.');
    }
    const asked = { code, redirectUri, codeVerifier, nonce, scopes: signInScopes, traceId };
    const response = await entra.redeemCode(client, asked);
    if (response.kind === 'token') return response;
    throw await this.#refuse(client, spent, response.refusal, traceId);
  }

  /** Logs and remembers a refusal, and releases a code that Entra did not look at. Gives the Fault to throw. */
  async #refuse(client: Client, spent: string, refusal: Refusal, traceId: string): Promise<Fault> {
    const { refusals, logger } = this.#deps;
    logRefusal(logger, { client: client.name, traceId }, refusal);
    // The caller gets Entra's refusal, also if the store fails here; then the code stays spent.
    if (codeNotSeen.has(refusal.class)) await this.#release(spent).catch(() => undefined);
    const kept = pausesAll(refusal)
      ? await refusals.remember(this.#throttled(client), refusal, undefined).catch(() => undefined)
      : undefined;
    return kept ? refusals.toFault(kept) : toEntraFault(refusal);
  }

  /** Lets a code be sent a second time, but not a third: the release is marked before the ledger forgets the first time. */
  async #release(spent: string): Promise<void> {
    const { store, redisKeys } = this.#deps;
    if (await store.setIfAbsent(redisKeys.released(spent), mark, codeLedgerMs)) await store.delete(spent);
  }

  /**
   * Marks a person as just signed in. The sign-in may have fixed the reason why Entra refused a call on their behalf, and
   * without the mark that refusal stands for 30 s. The key is made as for an assertion, which names a guest by the tenant
   * that it is for, and not by the home account.
   */
  async #markSignedIn({ account }: Session): Promise<void> {
    const { store, redisKeys } = this.#deps;
    const key = redisKeys.signedIn(`${account.localAccountId}.${account.tenantId}`);
    await store.set(key, Buffer.from(randomUUID()), signInMarkMs).catch(() => undefined);
  }

  /** Sign-ins at a client share one throttle key: before a code is redeemed, only Entra knows whose it is. */
  #throttled({ name, tenantId }: Client) {
    const throttleKey = this.#deps.redisKeys.app(name, tenantId);
    return { throttleKey, partition: throttleKey, plainField: 'code', field: 'code' };
  }
}

/**
 * Whether a refusal tells the whole client to wait: Entra's gateway responds 429 without an AADSTS number. With a number
 * Entra has looked at this one request.
 */
function pausesAll({ class: entraClass, members }: Refusal): boolean {
  return entraClass === 'throttled' && members.error_codes === undefined;
}
