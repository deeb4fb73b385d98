import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import { activeSpan, inOwnTrace } from '@onbehalf/node/core/telemetry/tracing';
import type { SpanContext } from '@opentelemetry/api';
import { staleMarginSeconds } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';
import { TokenAcquirer } from './acquire-token.ts';
import { createLeases } from './lease.ts';
import type { Refusals } from './refusals.ts';
import { isHit, type Token, type TokenRecord, type TokenRequest, toField, type Wanted } from './token.ts';
import { createFields, type Fields } from './token-fields.ts';
import { waiting } from './waiting.ts';

type Deps = {
  store: Store;
  l1: L1<TokenRecord>;
  refusals: Refusals;
  redisKeys: RedisKeys;
  sealing: Sealing;
  logger: Logger;
  nowMs: () => number;
};

/** Error codes for which a token that is still valid is served instead. */
const servedInstead = new Set<string>(['unavailable', 'throttled', 'server_error']);

type Flight = { token: Promise<Token>; leader: SpanContext | undefined };

/**
 * Access tokens, each acquired once: from this process' memory (L1), else from the shared store (L2), else from Entra by
 * one pod under a lease while all others wait for it.
 */
export class Tokens {
  readonly #store: Store;
  readonly #l1: L1<TokenRecord>;
  readonly #fields: Fields;
  readonly #acquirer: TokenAcquirer;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #flights = new Map<string, Flight>();
  readonly #refreshing = new Set<string>();

  constructor({ store, l1, refusals, redisKeys, sealing, logger, nowMs }: Deps) {
    this.#store = store;
    this.#l1 = l1;
    this.#fields = createFields({ store, sealing });
    const leases = createLeases(store, redisKeys);
    this.#acquirer = new TokenAcquirer({ store, l1, fields: this.#fields, leases, refusals, logger, nowMs });
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  /** @throws Fault of the class of Entra's refusal, `unavailable`, or `invalid_grant` if the partition is gone. */
  async get(request: TokenRequest): Promise<Token> {
    const name = request.claims === undefined ? request.scope : `${request.scope} ${request.claims}`;
    const l1Field = `${request.tenantId} ${name}`;
    const found = this.#l1.get(request.partition.key, l1Field);
    if (found?.freshness === 'fresh' && isHit(found.value, this.#nowSeconds())) {
      request.admit?.();
      if (found.value.refreshAtSeconds <= this.#nowSeconds()) {
        this.#refreshInBackground(toWanted(request, l1Field));
      }
      return { record: found.value, source: 'memory' };
    }
    // Nobody revokes the token of an app that is no agent: while the store is away it serves until it expires.
    const held = found?.freshness === 'expired' && request.partition.kind !== 'app' ? undefined : found?.value;
    const flightKey = `${request.partition.key} ${l1Field}`;
    const flying = this.#flights.get(flightKey);
    if (flying) return await waiting('process', () => flying.token, flying.leader);
    request.admit?.();
    const wanted = toWanted(request, l1Field);
    const flight = this.#fetch(wanted, held).finally(() => this.#flights.delete(flightKey));
    this.#flights.set(flightKey, { token: flight, leader: activeSpan() });
    return await flight;
  }

  async #fetch(wanted: Wanted, held: TokenRecord | undefined): Promise<Token> {
    const { request, field, l1Field } = wanted;
    const { key } = request.partition;
    let stale = held;
    try {
      const readStart = this.#l1.startRead();
      const found = this.#fields.openToken(key, field, await this.#store.readRecord(key, field));
      if (found && isHit(found, this.#nowSeconds())) {
        this.#l1.put(key, l1Field, found, readStart);
        if (found.refreshAtSeconds <= this.#nowSeconds()) this.#refreshInBackground(wanted);
        return { record: found, source: 'redis' };
      }
      // L1 may not have heard of a sign-out; Redis has.
      stale = found;
      return await this.#acquirer.acquire(wanted);
    } catch (error) {
      // Inside MSAL's margin a token is still valid: it is served while no new one can be acquired.
      const outage = error instanceof Fault && servedInstead.has(error.code);
      const left = stale ? stale.expiresAtSeconds - this.#nowSeconds() : 0;
      // With claims, only a hit of L1 that Redis cannot confirm is served: Entra is to replace all others.
      const good = request.claims === undefined || (stale === held && stale && isHit(stale, this.#nowSeconds()));
      if (outage && stale && good && left >= staleMarginSeconds) {
        if (stale === held) measure('onbehalf.token.unverified', 1);
        return { record: stale, source: held ? 'memory' : 'redis' };
      }
      throw error;
    }
  }

  #refreshInBackground(wanted: Wanted): void {
    const name = `${wanted.request.partition.key} ${wanted.l1Field}`;
    if (this.#refreshing.has(name)) return;
    this.#refreshing.add(name);
    inOwnTrace('token.refresh', () => this.#acquirer.refresh(wanted))
      .catch((error) => this.#logger.debug({ event: 'token.refresh_failed', error }))
      // The next attempt comes after a pause, so that a lost lease or a refusal is not asked about on every hit.
      .finally(() => setTimeout(() => this.#refreshing.delete(name), 1_000).unref());
  }

  #nowSeconds(): number {
    return this.#nowMs() / 1_000;
  }
}

function toWanted(request: TokenRequest, l1Field: string): Wanted {
  return { request, field: toField(request), l1Field };
}
