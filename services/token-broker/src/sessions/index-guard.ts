import { randomUUID } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import { outsideTrace } from '@onbehalf/node/core/telemetry/tracing';
import { z } from 'zod';
import { assertionLifeMs, indexRecordMs, indexTouchMs, upkeepMs } from '../lifetimes.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Tombstone } from './tombstone.ts';

const recordSchema = z.object({
  /** The fingerprint of the index key in use. */
  current: z.string(),
  /** Those of its predecessors, latest first: a pod with one of them is late. */
  former: z.array(z.string()),
  /** Everybody's tombstone: when the index key was last replaced. */
  everybody: z.object({ atSeconds: z.number(), id: z.string() }).optional(),
});

type IndexRecord = z.output<typeof recordSchema>;

/** How many former index keys are remembered. */
const formerKept = 20;

type Deps = { store: Store; redisKeys: RedisKeys; logger: Logger; nowMs: () => number };

/**
 * Checks that this process has the same index key as the others. A new index key hides everything that was named with the
 * former one, tombstones too, so it ends everybody's sessions. The first process with the new key records it in the store.
 * From then on processes with a former key serve nobody, and assertions issued before are refused for as long as they may
 * live.
 */
export class IndexGuard {
  readonly #store: Store;
  readonly #redisKeys: RedisKeys;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #listeners: (() => void)[] = [];
  #state: 'unknown' | 'current' | 'replaced' = 'unknown';
  #everybody: Tombstone | undefined;
  #touchedMs = Number.NEGATIVE_INFINITY;

  constructor({ store, redisKeys, logger, nowMs }: Deps) {
    this.#store = store;
    this.#redisKeys = redisKeys;
    this.#logger = logger;
    this.#nowMs = nowMs;
    store.channel.onInvalidate((key) => {
      // A pod that misses the message, or fails here, checks again in its upkeep.
      if (key === redisKeys.index) this.check().catch(() => {});
    });
  }

  /** Reads the index key in use; the first pod with a new one takes over. @throws Fault `unavailable`. */
  async check(): Promise<void> {
    const { fingerprint, index } = this.#redisKeys;
    while (this.#state !== 'replaced') {
      const read = await this.#store.get(index);
      const found = read && recordSchema.parse(JSON.parse(read.toString()));
      if (found?.current === fingerprint) return await this.#keep(read, found);
      if (found && (this.#state === 'current' || found.former.includes(fingerprint))) return this.#stop();
      await this.#takeOver(read, found);
    }
  }

  /** Everybody's tombstone, as long as an assertion from before it may live. */
  everybody(): Tombstone | undefined {
    const everybody = this.#everybody;
    return everybody && this.#nowMs() - everybody.atSeconds * 1_000 < assertionLifeMs ? everybody : undefined;
  }

  /** Undefined if this process may serve; else a promise that resolves once it may. Rejects with Fault `unavailable`. */
  ready(): Promise<void> | undefined {
    return this.#state === 'current' ? undefined : this.#becomeReady();
  }

  /** Calls the listener once another index key is in use. */
  onReplaced(listener: () => void): void {
    if (this.#state === 'replaced') listener();
    else this.#listeners.push(listener);
  }

  async #becomeReady(): Promise<void> {
    // A matter of this process, not of the request that happens to be its first.
    await outsideTrace(() => this.check());
    if (this.#state === 'current') return;
    throw new Fault('unavailable', 'This process has another index key than the rest.', { retryAfterSeconds: 5 });
  }

  #stop(): void {
    this.#state = 'replaced';
    this.#logger.error({ event: 'index.replaced' }, 'another index key is in use: restart this process with it');
    for (const listener of this.#listeners) listener();
  }

  async #keep(read: Buffer | undefined, { everybody }: IndexRecord): Promise<void> {
    this.#everybody = everybody;
    this.#state = 'current';
    if (this.#nowMs() - this.#touchedMs < indexTouchMs) return;
    this.#touchedMs = this.#nowMs();
    await this.#store.replace(this.#redisKeys.index, read, read, indexRecordMs);
  }

  async #takeOver(read: Buffer | undefined, found: IndexRecord | undefined): Promise<void> {
    const { fingerprint, index } = this.#redisKeys;
    // The other pods may serve until their next check; the tokens that they give out until then are older than this end.
    const until = Math.ceil((this.#nowMs() + 2 * upkeepMs) / 1_000);
    const next: IndexRecord = {
      current: fingerprint,
      former: found ? [found.current, ...found.former].slice(0, formerKept) : [],
      everybody: found ? { atSeconds: until, id: randomUUID() } : this.#everybody,
    };
    const written = await this.#store.replace(index, read, Buffer.from(JSON.stringify(next)), indexRecordMs);
    if (!written || !found) return;
    this.#logger.warn({ event: 'index.taken_over' }, 'a new index key: everybody has to sign in again');
    await this.#store.invalidate([index]);
  }
}
