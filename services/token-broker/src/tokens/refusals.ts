import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Fault } from '@onbehalf/node/core/fault';
import { toGuid } from '@onbehalf/node/core/telemetry/trace-context';
import { z } from 'zod';
import { backOffSeconds, type EntraClass, findPause, type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { backOffJitter, refusalSeconds } from '../lifetimes.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import { type Sealing, sealedJson } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';

/** A refusal of Entra's, and until when no pod asks again. */
export type Remembered = { refusal: Refusal; untilMs: number };

const counts = z.record(z.string(), z.object({ times: z.number(), untilMs: z.number() }));

const recordSchema = z.object({
  refusal: z.custom<Refusal>(),
  untilMs: z.number(),
  signIn: z.string().optional(),
  /** The token that the refusal is about. */
  field: z.string().optional(),
  /** How often each kind of pause came in a row, and until when the next one belongs to the same row. */
  counts,
});

/** What a refusal is about. */
export type RefusalSubject = {
  /** The key whose tag names who is throttled. */
  throttleKey: string;
  partition: string;
  /** The token without its claims: throttling does not look at them. */
  plainField: string;
  field: string;
};

const seconds: Record<Exclude<EntraClass, 'throttled' | 'transient'>, number> = refusalSeconds;

/** Entra's refusals, shared by all pods: a pod does not ask what was refused to another pod a moment ago. */
export class Refusals {
  readonly #store: Store;
  readonly #redisKeys: RedisKeys;
  readonly #records: ReturnType<typeof sealedJson<typeof recordSchema>>;
  readonly #nowMs: () => number;
  readonly #random: () => number;

  constructor(
    store: Store,
    redisKeys: RedisKeys,
    sealing: Sealing,
    nowMs: () => number,
    random: () => number = Math.random,
  ) {
    this.#store = store;
    this.#redisKeys = redisKeys;
    this.#records = sealedJson(sealing, recordSchema);
    this.#nowMs = nowMs;
    this.#random = random;
  }

  /** A refusal that still stands. A new sign-in voids the refusals before it. */
  async recall(about: RefusalSubject, signIn: string | undefined): Promise<Remembered | undefined> {
    const keys = this.#keysFor(about);
    const [sealedPause, sealedRefusal] = await this.#store.getBoth(keys.pause, keys.refusal);
    const pause = live(this.#records.open(sealedPause, keys.pause)?.value, this.#nowMs());
    const refusal = live(this.#records.open(sealedRefusal, keys.refusal)?.value, this.#nowMs());
    return pause ?? (refusal?.signIn === signIn && refusal?.field === about.field ? refusal : undefined);
  }

  /** Keeps a refusal as long as its class says. */
  async remember(about: RefusalSubject, refusal: Refusal, signIn: string | undefined): Promise<Remembered> {
    const pause = findPause(refusal);
    if (pause !== undefined) return await this.#rememberPause(about, refusal, pause);
    const key = this.#keysFor(about).refusal;
    const lastsMs = seconds[refusal.class as keyof typeof seconds] * 1_000;
    const record = { refusal, untilMs: this.#nowMs() + lastsMs, signIn, field: about.field, counts: {} };
    await this.#store.set(key, this.#records.seal(record, key), lastsMs);
    return record;
  }

  /** The Fault for a caller while a refusal stands. */
  toFault({ refusal, untilMs }: Remembered, scope?: string): Fault {
    return toEntraFault(refusal, scope, findPause(refusal) && Math.max(1, (untilMs - this.#nowMs()) / 1_000));
  }

  async #rememberPause(about: RefusalSubject, refusal: Refusal, pause: string): Promise<Remembered> {
    const key = this.#keysFor(about).pause;
    const last = this.#records.open(await this.#store.get(key), key)?.value;
    const now = this.#nowMs();
    const { times: before } = live(last?.counts[pause], now) ?? { times: 0 };
    // Keys that failed together do not all try again together. A wait that Entra asks for is kept to the second.
    const shorter =
      pause === 'transient' && refusal.retryAfterSeconds === undefined ? this.#random() * backOffJitter : 0;
    const lastsMs = backOffSeconds(refusal, before + 1) * (1 - shorter) * 1_000;
    // Counted for twice as long, so that the next refusal still finds the count.
    const counts = { ...last?.counts, [pause]: { times: before + 1, untilMs: now + 2 * lastsMs } };
    // Two requests may be under way at once: the longer pause stands.
    const standing = last && last.untilMs > now + lastsMs ? last : { refusal, untilMs: now + lastsMs };
    const record = { refusal: standing.refusal, untilMs: standing.untilMs, counts };
    const keptMs = Math.max(standing.untilMs, ...Object.values(counts).map(({ untilMs }) => untilMs)) - now;
    await this.#store.set(key, this.#records.seal(record, key), keptMs);
    return record;
  }

  #keysFor({ throttleKey, partition, plainField, field }: RefusalSubject) {
    return {
      pause: this.#redisKeys.throttle(throttleKey, `pause:${plainField}`),
      // Claims may change with every request: their fields share one key for each last letter.
      refusal: this.#redisKeys.throttle(
        partition,
        `answer:${plainField}${field === plainField ? '' : `:${field.at(-1)}`}`,
      ),
    };
  }
}

/** Logs a refusal of Entra's once, however many callers wait for it. */
export function logRefusal(
  logger: Logger,
  { traceId, ...who }: { client: string; account?: string | undefined; agent?: string | undefined; traceId: string },
  refusal: Refusal,
): void {
  const { class: entraClass, known, members } = refusal;
  // A response that never came names no correlation id: it is the one that was sent.
  const correlation_id = members.correlation_id ?? toGuid(traceId);
  const facts = { ...who, class: entraClass, aadsts: members.error_codes, correlation_id, trace_id: traceId };
  const level = findPause(refusal) || !known ? 'warn' : 'info';
  logger[level]({ event: known ? 'entra.refused' : 'entra.unclassified', ...facts });
}

/** The entry, unless it has expired. */
function live<T extends { untilMs: number }>(one: T | undefined, nowMs: number): T | undefined {
  return one && one.untilMs > nowMs ? one : undefined;
}
