import { randomUUID } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import { describeError, type Logger } from '@onbehalf/chassis/logger';
import { secondsSince } from '@onbehalf/chassis/measures';
import { describeRequest } from '@onbehalf/chassis/server-span';
import { activeSpan, inOwnTrace, inSpan } from '@onbehalf/chassis/tracing';
import type { SpanContext } from '@opentelemetry/api';
import { z } from 'zod';
import type { Acquired, Refused } from './entra.ts';
import { faultOf, type Refusal } from './entra-answer.ts';
import type { L1 } from './l1.ts';
import { hitMarginSeconds, leaseMs, leaseRenewMs, staleMarginSeconds, waitMs } from './lifetimes.ts';
import { type Names, sha256, shortName } from './names.ts';
import { refreshAtSeconds } from './refresh-point.ts';
import type { Refusals, Remembered } from './refusals.ts';
import type { Sealing } from './sealing.ts';
import { measure } from './signals.ts';
import { type Store, StoreFull, signInOf } from './store.ts';

const recordSchema = z.object({
  accessToken: z.string(),
  scope: z.string(),
  expiresAtSeconds: z.number(),
  refreshAtSeconds: z.number(),
});

/** An access token as it is kept and served. */
export type TokenRecord = z.output<typeof recordSchema>;

export type Partition = {
  key: string;
  kind: 'account' | 'obo' | 'app';
  /** The key whose hash tag names who is throttled with this partition. */
  party: string;
};

export type TokenRequest = {
  client: string;
  partition: Partition;
  tenantId: string;
  /** Sorted, each once, in one string: a token never serves a wider or narrower request. */
  scope: string;
  claims: string | undefined;
  /** The person's latest sign-in, where the partition does not tell: it voids what was refused before. */
  signIn?(): Promise<string | undefined>;
  /** Asks Entra; `msal` is the partition's cache, undefined where it has none. */
  acquire(msal: string | undefined): Promise<Acquired | Refused>;
  /** Runs before the token is written, e.g. to index the partition. */
  beforeWrite?(acquired: Acquired): Promise<void>;
  /** Runs after it; may throw to take the token back. */
  afterWrite?(acquired: Acquired): Promise<void>;
  /** Effects of a refusal beyond remembering it. */
  onRefused?(refusal: Refusal): Promise<void>;
};

export type Token = { record: TokenRecord; level: 'l1' | 'l2' | 'none' };

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

/** MSAL's own rule: a token is good while more than its renewal margin is left. */
export function isHit({ expiresAtSeconds }: TokenRecord, nowSeconds: number): boolean {
  return expiresAtSeconds - hitMarginSeconds > nowSeconds;
}

/**
 * Access tokens, each bought once: from this process' memory (L1), else from the shared store (L2), else from Entra by
 * one pod under a lease while all others wait for it.
 */
export function createTokens({ store, l1, refusals, names, sealing, logger, nowMs }: Deps) {
  const flights = new Map<string, { token: Promise<Token>; leader: SpanContext | undefined }>();
  const refreshing = new Set<string>();
  const nowSeconds = () => nowMs() / 1_000;

  const fieldOf = ({ tenantId, scope, claims }: TokenRequest, withClaims = true) =>
    `t:${sha256(JSON.stringify([tenantId, scope, withClaims ? claims : undefined])).slice(0, 22)}`;
  const aboutOf = (request: TokenRequest, field: string) => ({
    party: request.partition.party,
    partition: request.partition.key,
    plainField: fieldOf(request, false),
    field,
  });

  /** @throws Fault of the class Entra's refusal has, `unavailable`, or `invalid_grant` if the partition is gone. */
  async function get(request: TokenRequest): Promise<Token> {
    const name = request.claims === undefined ? request.scope : `${request.scope} ${request.claims}`;
    const l1Field = `${request.tenantId} ${name}`;
    const found = l1.get(request.partition.key, l1Field);
    if (found?.standing === 'trusted' && isHit(found.value, nowSeconds())) {
      if (found.value.refreshAtSeconds <= nowSeconds()) refreshAhead(request, l1Field);
      return { record: found.value, level: 'l1' };
    }
    // Nobody revokes an app's token: while the store is away it serves to its end.
    const held = found?.standing === 'lapsed' && request.partition.kind !== 'app' ? undefined : found?.value;
    const flightKey = `${request.partition.key} ${l1Field}`;
    const flying = flights.get(flightKey);
    if (flying) return await waiting('process', () => flying.token, flying.leader);
    const flight = fetch(request, l1Field, held).finally(() => flights.delete(flightKey));
    flights.set(flightKey, { token: flight, leader: activeSpan() });
    return await flight;
  }

  async function fetch(request: TokenRequest, l1Field: string, held: TokenRecord | undefined): Promise<Token> {
    const field = fieldOf(request);
    let stale = held;
    try {
      const mark = l1.mark();
      const found = open(request.partition.key, field, await store.readRecord(request.partition.key, field));
      if (found && isHit(found, nowSeconds())) {
        l1.put(request.partition.key, l1Field, found, mark);
        if (found.refreshAtSeconds <= nowSeconds()) refreshAhead(request, l1Field);
        return { record: found, level: 'l2' };
      }
      // Memory may have missed that the person left; the store has not.
      stale = found;
      return await fly(request, field, l1Field);
    } catch (error) {
      // Inside MSAL's margin a token is still good; while no new one can be had, it is served.
      const outage = error instanceof Fault && servedMeanwhile.has(error.code);
      const left = stale ? stale.expiresAtSeconds - nowSeconds() : 0;
      if (outage && stale && request.claims === undefined && left >= staleMarginSeconds) {
        if (stale === held) measure('onbehalf.token.unverified', 1);
        return { record: stale, level: held ? 'l1' : 'l2' };
      }
      throw error;
    }
  }

  /** Buys under the lease, or waits for who does. */
  async function fly(request: TokenRequest, field: string, l1Field: string): Promise<Token> {
    const { key } = request.partition;
    const leaseKey = names.lease(key, field);
    const owner = randomUUID();
    const waitUntilMs = nowMs() + waitMs;
    for (;;) {
      const lease = await store.takeLease(leaseKey, owner, leaseMs).catch(leaseOfFull);
      if ('fence' in lease) return await buy(request, { field, l1Field, leaseKey, owner, fence: lease.fence });
      const leftMs = waitUntilMs - nowMs();
      if (leftMs <= 0) throw new Fault('unavailable', 'The token did not come in time.', { retryAfterSeconds: 5 });
      // Listening begins before looking, so that a wake-up in between is not lost.
      const woken = store.events.woken(leaseKey, Math.min(lease.heldForMs + 5, leftMs));
      const seen = await inspect(request, field, l1Field);
      if (seen.token) return seen.token;
      await waiting('cluster', () => woken);
      const after = await inspect(request, field, l1Field);
      if (after.token) return after.token;
    }
  }

  type Lease = { field: string; l1Field: string; leaseKey: string; owner: string; fence: number };

  async function buy(request: TokenRequest, lease: Lease, refreshBefore?: number): Promise<Token> {
    const { leaseKey, owner } = lease;
    const renewing = setInterval(() => {
      store.renewLease(leaseKey, owner, leaseMs).catch(() => {});
    }, leaseRenewMs);
    try {
      const seen = await inspect(request, lease.field, lease.l1Field, refreshBefore);
      if (seen.token) return seen.token;
      const answer = await request.acquire(seen.msal);
      if (answer.kind === 'refused') {
        logRefusal(request, answer.refusal);
        const remembered = await rememberRefusal(request, lease.field, answer.refusal, seen.signIn);
        await request.onRefused?.(answer.refusal);
        throw remembered ? faultOfRemembered(remembered, request) : faultOf(answer.refusal, request.scope);
      }
      return await keep(request, lease, seen.version, answer);
    } finally {
      clearInterval(renewing);
      await store.releaseLease(leaseKey, owner).catch(() => {});
    }
  }

  /** Undefined if the store is away or full: what Entra said is true all the same. */
  async function rememberRefusal(request: TokenRequest, field: string, refusal: Refusal, signIn: string | undefined) {
    try {
      return await refusals.remember(aboutOf(request, field), refusal, signIn);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return undefined;
    }
  }

  /** Looks at the partition once: a token another flight brought, what is there to buy with, or why not to. */
  async function inspect(
    request: TokenRequest,
    field: string,
    l1Field: string,
    refreshBefore = Number.NEGATIVE_INFINITY,
  ) {
    const { key, kind } = request.partition;
    const mark = l1.mark();
    const { version, msal: sealed, records } = await store.readPartition(key, [field]);
    const record = open(key, field, records[0]);
    if (record && isHit(record, nowSeconds()) && record.refreshAtSeconds > refreshBefore) {
      l1.put(key, l1Field, record, mark);
      return { token: { record, level: 'l2' } as Token };
    }
    if (kind === 'account' && version === undefined) throw new Fault('invalid_grant', 'The session has ended.');
    const signIn = request.signIn ? await request.signIn() : signInOf(version);
    const refused = await refusals.recall(aboutOf(request, field), signIn);
    if (refused) throw faultOfRemembered(refused, request);
    const msal = sealed && openField(key, 'msal', sealed)?.toString();
    if (kind === 'account' && msal === undefined) {
      throw new Fault('login_required', 'The person has to sign in again.');
    }
    return { version, msal, signIn };
  }

  async function keep(
    request: TokenRequest,
    lease: Lease,
    version: string | undefined,
    acquired: Acquired,
  ): Promise<Token> {
    const { key, kind } = request.partition;
    const { field, l1Field, fence } = lease;
    const record: TokenRecord = {
      accessToken: acquired.accessToken,
      scope: acquired.scope,
      expiresAtSeconds: acquired.issuedAtSeconds + acquired.expiresInSeconds,
      refreshAtSeconds: refreshAtSeconds(acquired, Math.random()),
    };
    const mark = l1.mark();
    let outcome: Awaited<ReturnType<Store['writeToken']>> | 'unsaved';
    try {
      await request.beforeWrite?.(acquired);
      outcome = await store.writeToken(key, {
        version,
        fence,
        field,
        record: sealing.seal(JSON.stringify(record), `${key} ${field}`),
        expiresAtSeconds: record.expiresAtSeconds,
        msal: kind === 'account' ? sealing.seal(acquired.msal, `${key} msal`) : undefined,
        expiresWithTokens: kind !== 'account',
      });
    } catch (error) {
      // The store is away or full: the token is good all the same, and bought again next time.
      if (!isUnavailable(error)) throw error;
      logger.warn({ event: 'token.unsaved', error: describeError(error) });
      return { record, level: 'none' };
    }
    if (outcome === 'fenced') {
      measure('onbehalf.token.stampede', 1);
      const newer = open(key, field, await store.readRecord(key, field));
      if (newer && isHit(newer, nowSeconds())) return { record: newer, level: 'l2' };
    }
    if (outcome === 'gone' && kind !== 'app') throw new Fault('invalid_grant', 'The session has ended.');
    await request.afterWrite?.(acquired);
    if (outcome === 'written') l1.put(key, l1Field, record, mark);
    return { record, level: 'none' };
  }

  /** Refreshes behind the caller's back; who does not get the lease leaves it to who has it. */
  function refreshAhead(request: TokenRequest, l1Field: string): void {
    const { key } = request.partition;
    const name = `${key} ${l1Field}`;
    if (refreshing.has(name)) return;
    refreshing.add(name);
    const field = fieldOf(request);
    const leaseKey = names.lease(key, field);
    const owner = randomUUID();
    const refresh = async () => {
      const lease = await store.takeLease(leaseKey, owner, leaseMs);
      if ('fence' in lease) await buy(request, { field, l1Field, leaseKey, owner, fence: lease.fence }, nowSeconds());
    };
    inOwnTrace('token.refresh', refresh)
      .catch((error) => logger.debug({ event: 'token.refresh_failed', error: describeError(error) }))
      // The next one may try after a pause, so that a lost lease or a refusal is not asked about on every hit.
      .finally(() => setTimeout(() => refreshing.delete(name), 1_000).unref());
  }

  function open(key: string, field: string, sealed: Buffer | undefined): TokenRecord | undefined {
    const opened = sealed && openField(key, field, sealed);
    return opened && recordSchema.parse(JSON.parse(opened.toString()));
  }

  /** What was sealed with an old key is sealed with the current one, so that the old one can go. */
  function openField(key: string, field: string, sealed: Buffer): Buffer | undefined {
    const name = `${key} ${field}`;
    const opened = sealing.open(sealed, name);
    // Off the caller's path; if it fails, the next reader tries again.
    if (opened?.old) store.reseal(key, field, sealed, sealing.seal(opened.plaintext, name)).catch(() => {});
    return opened?.plaintext;
  }

  /** Once a call, however many callers wait for it. */
  function logRefusal({ client, partition }: TokenRequest, { class: entraClass, known, members }: Refusal): void {
    const { error_codes: aadsts, correlation_id } = members;
    const facts = { client, account: shortName(partition.key), class: entraClass, aadsts, correlation_id };
    const level = entraClass === 'transient' || entraClass === 'throttled' || !known ? 'warn' : 'info';
    logger[level]({ event: known ? 'entra.refused' : 'entra.unclassified', ...facts });
  }

  function faultOfRemembered({ refusal, untilMs }: Remembered, request: TokenRequest): Fault {
    const waits = refusal.class === 'throttled' || refusal.class === 'transient';
    const leftSeconds = waits ? Math.max(1, (untilMs - nowMs()) / 1_000) : undefined;
    return faultOf(refusal, request.scope, leftSeconds);
  }

  return { get };
}

export type Tokens = ReturnType<typeof createTokens>;

/** Waits for another's flight, linked to it where it is known. */
async function waiting<T>(where: 'process' | 'cluster', flight: () => Promise<T>, leader?: SpanContext): Promise<T> {
  const startedAtMs = performance.now();
  const attributes = { 'onbehalf.wait.where': where };
  const done = (outcome: string) =>
    measure('onbehalf.token.lease.wait.duration', secondsSince(startedAtMs), {
      ...attributes,
      'onbehalf.wait.outcome': outcome,
    });
  describeRequest({ 'onbehalf.token.coalesced': true });
  try {
    const result = await inSpan('token.lease.wait', flight, { attributes, links: [leader] });
    done('woken');
    return result;
  } catch (error) {
    done('failed');
    throw error;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Fault && error.code === 'unavailable';
}

/** A full store gives no lease: the token is bought once per pod, and given unsaved. */
function leaseOfFull(error: unknown): { fence: number } {
  if (error instanceof Fault && error.cause instanceof StoreFull) return { fence: 0 };
  throw error;
}
