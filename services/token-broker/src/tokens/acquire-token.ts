import { Fault } from '@onbehalf/chassis/fault';
import { describeError, type Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Acquired } from '../entra/entra.ts';
import { type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { waitMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import { shortName } from '../store/redis-keys.ts';
import { type Store, StoreFull, signInOf } from '../store/store.ts';
import type { Leases } from './lease.ts';
import { refreshAtSeconds } from './refresh-point.ts';
import { logRefusal, type Refusals } from './refusals.ts';
import { fieldOf, isHit, type Token, type TokenRecord, type Wanted } from './token.ts';
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

/**
 * Buys tokens from Entra: one pod under a lease, while all others wait for it. What comes is kept where they look for
 * it, unless its partition has changed meanwhile.
 */
export function createPurchase({ store, l1, fields, leases, refusals, logger, nowMs }: Deps) {
  const nowSeconds = () => nowMs() / 1_000;

  /** Buys, or waits for who does. @throws Fault as `createTokens`' `get`. */
  async function buy(wanted: Wanted): Promise<Token> {
    const { key } = wanted.request.partition;
    const waitUntilMs = nowMs() + waitMs;
    for (;;) {
      const lease = await leases.take(key, wanted.field).catch(undefinedIfFull);
      // A full store gives no lease: the token is bought once per pod, and given unsaved.
      if (!lease) return await acquire(wanted, 0);
      if ('fence' in lease) return await leases.hold(lease, () => acquire(wanted, lease.fence));
      const leftMs = waitUntilMs - nowMs();
      if (leftMs <= 0) throw new Fault('unavailable', 'The token did not come in time.', { retryAfterSeconds: 5 });
      // Listening begins before looking, so that a wake-up in between is not lost.
      const woken = store.channel.waitForRelease(lease.name, Math.min(lease.heldForMs + 5, leftMs));
      const seen = await inspect(wanted);
      if (seen.token) return seen.token;
      await waiting('cluster', () => woken);
      const after = await inspect(wanted);
      if (after.token) return after.token;
    }
  }

  /** Buys before it is needed; who does not get the lease leaves it to who has it. */
  async function buyAhead(wanted: Wanted): Promise<void> {
    const lease = await leases.take(wanted.request.partition.key, wanted.field);
    if ('fence' in lease) await leases.hold(lease, () => acquire(wanted, lease.fence, nowSeconds()));
  }

  async function acquire(wanted: Wanted, fence: number, refreshBefore?: number): Promise<Token> {
    const { request } = wanted;
    await request.prepare?.();
    const seen = await inspect(wanted, refreshBefore);
    if (seen.token) return seen.token;
    const answer = await request.acquire(seen.msal);
    if (answer.kind === 'token') return await keep(wanted, fence, seen.version, answer);
    const { client, partition } = request;
    logRefusal(logger, { client, account: shortName(partition.key) }, answer.refusal);
    // An end that breaks off is begun anew by the next refusal, so that one may not be remembered before it is done.
    await request.onRefused?.(answer.refusal);
    const remembered = await rememberRefusal(wanted, answer.refusal, seen.signIn);
    throw remembered ? refusals.toFault(remembered, request.scope) : toEntraFault(answer.refusal, request.scope);
  }

  /** Looks at the partition once: a token another flight brought, what is there to buy with, or why not to. */
  async function inspect(wanted: Wanted, refreshBefore = Number.NEGATIVE_INFINITY) {
    const { request, field } = wanted;
    const { key, kind } = request.partition;
    const mark = l1.mark();
    const { version, msal: sealed, records } = await store.readPartition(key, [field]);
    const record = fields.openToken(key, field, records[0]);
    if (record && isHit(record, nowSeconds()) && record.refreshAtSeconds > refreshBefore) {
      l1.put(key, wanted.l1Field, record, mark);
      return { token: { record, level: 'l2' } as Token };
    }
    if (kind === 'account' && version === undefined) throw new Fault('invalid_grant', 'The session has ended.');
    const signIn = request.signIn ? await request.signIn() : signInOf(version);
    const refused = await refusals.recall(aboutOf(wanted), signIn);
    if (refused) throw refusals.toFault(refused, request.scope);
    const msal = sealed && fields.open(key, 'msal', sealed)?.toString();
    if (kind === 'account' && msal === undefined) {
      throw new Fault('login_required', 'The person has to sign in again.');
    }
    return { version, msal, signIn };
  }

  async function keep(
    { request, field, l1Field }: Wanted,
    fence: number,
    version: string | undefined,
    acquired: Acquired,
  ): Promise<Token> {
    const { key, kind } = request.partition;
    const record: TokenRecord = {
      accessToken: acquired.accessToken,
      scope: acquired.scope,
      expiresAtSeconds: acquired.issuedAtSeconds + acquired.expiresInSeconds,
      refreshAtSeconds: refreshAtSeconds(acquired, Math.random()),
    };
    const mark = l1.mark();
    let outcome: Awaited<ReturnType<Store['writeToken']>>;
    try {
      await request.beforeWrite?.(acquired);
      outcome = await store.writeToken(key, {
        version,
        fence,
        field,
        record: fields.seal(key, field, JSON.stringify(record)),
        expiresAtSeconds: record.expiresAtSeconds,
        msal: kind === 'account' ? fields.seal(key, 'msal', acquired.msal) : undefined,
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
      const newer = fields.openToken(key, field, await store.readRecord(key, field));
      if (newer && isHit(newer, nowSeconds())) return { record: newer, level: 'l2' };
    }
    if (outcome === 'gone' && kind !== 'app') throw new Fault('invalid_grant', 'The session has ended.');
    await request.afterWrite?.(acquired);
    if (outcome === 'written') l1.put(key, l1Field, record, mark);
    return { record, level: 'none' };
  }

  /** Undefined if the store is away or full: what Entra said is true all the same. */
  async function rememberRefusal(wanted: Wanted, refusal: Refusal, signIn: string | undefined) {
    try {
      return await refusals.remember(aboutOf(wanted), refusal, signIn);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return undefined;
    }
  }

  return { buy, buyAhead };
}

/** What a refusal is about: the throttle key, this token, and the token without its claims. */
function aboutOf({ request, field }: Wanted) {
  const { throttleKey, key } = request.partition;
  return { throttleKey, partition: key, plainField: fieldOf({ ...request, claims: undefined }), field };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Fault && error.code === 'unavailable';
}

function undefinedIfFull(error: unknown): undefined {
  if (!(error instanceof Fault && error.cause instanceof StoreFull)) throw error;
}
