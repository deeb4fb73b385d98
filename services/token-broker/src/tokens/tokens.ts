import { Fault } from '@onbehalf/chassis/fault';
import { describeError, type Logger } from '@onbehalf/chassis/telemetry/logger';
import { activeSpan, inOwnTrace } from '@onbehalf/chassis/telemetry/tracing';
import type { SpanContext } from '@opentelemetry/api';
import { LRUCache } from 'lru-cache';
import { staleMarginSeconds } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';
import { createPurchase } from './acquire-token.ts';
import { createLeases } from './lease.ts';
import type { Refusals } from './refusals.ts';
import { fieldOf, isHit, type Token, type TokenRecord, type TokenRequest, type Wanted } from './token.ts';
import { createFields } from './token-fields.ts';
import { waiting } from './waiting.ts';

type Deps = {
  store: Store;
  l1: L1<TokenRecord>;
  refusals: Refusals;
  names: Names;
  sealing: Sealing;
  logger: Logger;
  nowMs: () => number;
};

/** Nobody asked too much, somebody cannot answer: the store, Entra, or we, whose credential is refused. */
const servedMeanwhile = new Set<string>(['unavailable', 'throttled', 'server_error']);

/**
 * Access tokens, each bought once: from this process' memory (L1), else from the shared store (L2), else from Entra by
 * one pod under a lease while all others wait for it.
 */
export function createTokens({ store, l1, refusals, names, sealing, logger, nowMs }: Deps) {
  const flights = new Map<string, { token: Promise<Token>; leader: SpanContext | undefined }>();
  const refreshing = new Set<string>();
  // All people ask for the same few things, whose names are hashes.
  const fieldNames = new LRUCache<string, string>({ maxSize: 1_000, sizeCalculation: () => 1 });
  const nowSeconds = () => nowMs() / 1_000;
  const fields = createFields({ store, sealing });
  const leases = createLeases(store, names);
  const purchase = createPurchase({ store, l1, fields, leases, refusals, logger, nowMs });

  /** @throws Fault of the class Entra's refusal has, `unavailable`, or `invalid_grant` if the partition is gone. */
  async function get(request: TokenRequest): Promise<Token> {
    const name = request.claims === undefined ? request.scope : `${request.scope} ${request.claims}`;
    const l1Field = `${request.tenantId} ${name}`;
    const found = l1.get(request.partition.key, l1Field);
    if (found?.freshness === 'fresh' && isHit(found.value, nowSeconds())) {
      request.admit?.();
      if (found.value.refreshAtSeconds <= nowSeconds()) refreshAhead(wantedOf(request, l1Field));
      return { record: found.value, level: 'l1' };
    }
    // Nobody revokes an app's token: while the store is away it serves to its end.
    const held = found?.freshness === 'expired' && request.partition.kind !== 'app' ? undefined : found?.value;
    const flightKey = `${request.partition.key} ${l1Field}`;
    const flying = flights.get(flightKey);
    if (flying) return await waiting('process', () => flying.token, flying.leader);
    request.admit?.();
    const flight = fetch(wantedOf(request, l1Field), held).finally(() => flights.delete(flightKey));
    flights.set(flightKey, { token: flight, leader: activeSpan() });
    return await flight;
  }

  function wantedOf(request: TokenRequest, l1Field: string): Wanted {
    const known = fieldNames.get(l1Field);
    const field = known ?? fieldOf(request);
    if (known === undefined) fieldNames.set(l1Field, field);
    return { request, field, l1Field };
  }

  async function fetch(wanted: Wanted, held: TokenRecord | undefined): Promise<Token> {
    const { request, field, l1Field } = wanted;
    const { key } = request.partition;
    let stale = held;
    try {
      const mark = l1.mark();
      const found = fields.openToken(key, field, await store.readRecord(key, field));
      if (found && isHit(found, nowSeconds())) {
        l1.put(key, l1Field, found, mark);
        if (found.refreshAtSeconds <= nowSeconds()) refreshAhead(wanted);
        return { record: found, level: 'l2' };
      }
      // Memory may have missed that the person left; the store has not.
      stale = found;
      return await purchase.buy(wanted);
    } catch (error) {
      // Inside MSAL's margin a token is still good; while no new one can be had, it is served.
      const outage = error instanceof Fault && servedMeanwhile.has(error.code);
      const left = stale ? stale.expiresAtSeconds - nowSeconds() : 0;
      // What memory holds and the store cannot confirm is as good as ever; what Entra is to replace is not, with claims.
      const good = request.claims === undefined || (stale === held && stale && isHit(stale, nowSeconds()));
      if (outage && stale && good && left >= staleMarginSeconds) {
        if (stale === held) measure('onbehalf.token.unverified', 1);
        return { record: stale, level: held ? 'l1' : 'l2' };
      }
      throw error;
    }
  }

  /** Refreshes behind the caller's back. */
  function refreshAhead(wanted: Wanted): void {
    const name = `${wanted.request.partition.key} ${wanted.l1Field}`;
    if (refreshing.has(name)) return;
    refreshing.add(name);
    inOwnTrace('token.refresh', () => purchase.buyAhead(wanted))
      .catch((error) => logger.debug({ event: 'token.refresh_failed', error: describeError(error) }))
      // The next one may try after a pause, so that a lost lease or a refusal is not asked about on every hit.
      .finally(() => setTimeout(() => refreshing.delete(name), 1_000).unref());
  }

  return { get };
}

export type Tokens = ReturnType<typeof createTokens>;
