import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import type { Acquired } from '../entra/entra.ts';
import { type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { waitMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import { readSignIn, type Store, StoreFull } from '../store/store.ts';
import type { Leases } from './lease.ts';
import { refreshAtSeconds } from './refresh-point.ts';
import { logRefusal, type RefusalSubject, type Refusals } from './refusals.ts';
import { isHit, type Token, type TokenRecord, toField, type Wanted } from './token.ts';
import type { Fields } from './token-fields.ts';
import { waiting } from './waiting.ts';

type Deps = {
  store: Store;
  l1: L1<TokenRecord>;
  fields: Fields;
  leases: Leases;
  refusals: Refusals;
  logger: Logger;
  nowMs: () => number;
};

/** The result of reading the partition: a token, or the values with which a new one is acquired. */
type Inspected =
  | { token: Token }
  | { token?: undefined; version: string | undefined; msal: string | undefined; signIn: string | undefined };

/**
 * Acquires tokens from Entra: one pod under a lease, while all others wait for it. A new token is stored, unless its
 * partition has changed meanwhile.
 */
export class TokenAcquirer {
  readonly #store: Store;
  readonly #l1: L1<TokenRecord>;
  readonly #fields: Fields;
  readonly #leases: Leases;
  readonly #refusals: Refusals;
  readonly #logger: Logger;
  readonly #nowMs: () => number;

  constructor({ store, l1, fields, leases, refusals, logger, nowMs }: Deps) {
    this.#store = store;
    this.#l1 = l1;
    this.#fields = fields;
    this.#leases = leases;
    this.#refusals = refusals;
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  /** Acquires a token, or waits until another pod has. @throws Fault as `Tokens.get`. */
  async acquire(wanted: Wanted): Promise<Token> {
    const { key } = wanted.request.partition;
    const waitUntilMs = this.#nowMs() + waitMs;
    for (;;) {
      // Listening begins before the lease is asked for, so that no release in between is lost.
      using release = this.#leases.listen(key, wanted.field);
      const lease = await this.#leases.take(key, wanted.field).catch(undefinedIfFull);
      // A full store gives no lease: each pod acquires the token once, and serves it without storing it.
      if (!lease) return await this.#acquireFromEntra(wanted, 0);
      if ('fence' in lease) {
        return await this.#leases.hold(lease, () => this.#acquireFromEntra(wanted, lease.fence));
      }
      const leftMs = waitUntilMs - this.#nowMs();
      if (leftMs <= 0) throw new Fault('unavailable', 'The token did not come in time.', { retryAfterSeconds: 5 });
      await waiting('cluster', () => release.heard(Math.min(lease.heldForMs + 5, leftMs)));
      const seen = await this.#inspect(wanted);
      if (seen.token) return seen.token;
    }
  }

  /** Acquires a token before it is needed. Without the lease, does nothing: its holder is refreshing. */
  async refresh(wanted: Wanted): Promise<void> {
    const lease = await this.#leases.take(wanted.request.partition.key, wanted.field);
    if (!('fence' in lease)) return;
    await this.#leases.hold(lease, () => this.#acquireFromEntra(wanted, lease.fence, this.#nowSeconds()));
  }

  async #acquireFromEntra(wanted: Wanted, fence: number, refreshBefore?: number): Promise<Token> {
    const { request } = wanted;
    await request.prepare?.();
    const seen = await this.#inspect(wanted, refreshBefore);
    if (seen.token) return seen.token;
    const result = await request.acquire(seen.msal);
    if (result.kind === 'token') return await this.#keep(wanted, fence, seen.version, result);
    const { client, account, agent, traceId } = request;
    logRefusal(this.#logger, { client, account, agent, traceId }, result.refusal);
    // If the revocation fails, the next refusal starts it again: so the refusal is remembered only after it.
    await request.onRefused?.(result.refusal);
    const remembered = await this.#rememberRefusal(wanted, result.refusal, seen.signIn);
    throw remembered ? this.#refusals.toFault(remembered, request.scope) : toEntraFault(result.refusal, request.scope);
  }

  /**
   * Reads the partition once. Returns the token that another flight stored, or the values to acquire a new one with.
   * @throws Fault if none can be acquired: the session has ended, or Entra refused the same request a moment ago.
   */
  async #inspect(wanted: Wanted, refreshBefore = Number.NEGATIVE_INFINITY): Promise<Inspected> {
    const { request, field } = wanted;
    const { key, kind } = request.partition;
    const readStart = this.#l1.startRead();
    const { version, msal: sealed, records } = await this.#store.readPartition(key, [field]);
    const record = this.#fields.openToken(key, field, records[0]);
    if (record && isHit(record, this.#nowSeconds()) && record.refreshAtSeconds > refreshBefore) {
      this.#l1.put(key, wanted.l1Field, record, readStart);
      return { token: { record, source: 'redis' } };
    }
    if (kind === 'account' && version === undefined) throw new Fault('invalid_grant', 'The session has ended.');
    const signIn = request.signIn ? await request.signIn() : readSignIn(version);
    const refused = await this.#refusals.recall(toSubject(wanted), signIn);
    if (refused) throw this.#refusals.toFault(refused, request.scope);
    const msal = sealed && this.#fields.open(key, 'msal', sealed)?.toString();
    if (kind === 'account' && msal === undefined) {
      throw new Fault('login_required', 'The person has to sign in again.');
    }
    return { version, msal, signIn };
  }

  async #keep(wanted: Wanted, fence: number, version: string | undefined, acquired: Acquired): Promise<Token> {
    const { request, field, l1Field } = wanted;
    const { key, kind } = request.partition;
    const record: TokenRecord = {
      accessToken: acquired.accessToken,
      scope: acquired.scope,
      expiresAtSeconds: acquired.issuedAtSeconds + acquired.expiresInSeconds,
      refreshAtSeconds: refreshAtSeconds(acquired, Math.random()),
    };
    const readStart = this.#l1.startRead();
    let outcome: Awaited<ReturnType<Store['writeToken']>>;
    try {
      await request.beforeWrite?.(acquired);
      outcome = await this.#write(wanted, { fence, version, record, msal: acquired.msal });
    } catch (error) {
      // The store is away or full. The token is served without it, and the next request acquires another one.
      if (!isUnavailable(error)) throw error;
      this.#logger.warn({ event: 'token.unsaved', error });
      return { record, source: 'entra' };
    }
    if (outcome === 'fenced') {
      measure('onbehalf.token.stampede', 1);
      const newer = this.#fields.openToken(key, field, await this.#store.readRecord(key, field));
      if (newer && isHit(newer, this.#nowSeconds())) return { record: newer, source: 'redis' };
    }
    if (outcome === 'gone' && (kind === 'account' || kind === 'obo'))
      throw new Fault('invalid_grant', 'The session has ended.');
    await request.afterWrite?.(acquired);
    if (outcome === 'written') this.#l1.put(key, l1Field, record, readStart);
    return { record, source: 'entra' };
  }

  async #write(
    { request, field }: Wanted,
    { fence, version, record, msal }: { fence: number; version: string | undefined; record: TokenRecord; msal: string },
  ) {
    const { key, kind } = request.partition;
    return await this.#store.writeToken(key, {
      version,
      fence,
      field,
      record: this.#fields.seal(key, field, JSON.stringify(record)),
      expiresAtSeconds: record.expiresAtSeconds,
      msal: kind === 'account' ? this.#fields.seal(key, 'msal', msal) : undefined,
      expiresWithTokens: kind !== 'account',
    });
  }

  /** Undefined if the store is away or full: Entra's refusal still goes to the caller. */
  async #rememberRefusal(wanted: Wanted, refusal: Refusal, signIn: string | undefined) {
    try {
      return await this.#refusals.remember(toSubject(wanted), refusal, signIn);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return undefined;
    }
  }

  #nowSeconds(): number {
    return this.#nowMs() / 1_000;
  }
}

/** The subject of a refusal: the key that Entra throttles by, this very token, and the token without its claims. */
function toSubject({ request, field }: Wanted): RefusalSubject {
  const { throttleKey, key } = request.partition;
  return { throttleKey, partition: key, plainField: toField({ ...request, claims: undefined }), field };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Fault && error.code === 'unavailable';
}

function undefinedIfFull(error: unknown): undefined {
  if (!(error instanceof Fault && error.cause instanceof StoreFull)) throw error;
}
