import type { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { z } from 'zod';
import { backOffSeconds, type EntraClass, findPause, type Refusal, toEntraFault } from '../entra/entra-errors.ts';
import { backOffJitter, refusalSeconds } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';

/** What Entra refused, and until when nobody needs to ask again. */
export type Remembered = { refusal: Refusal; untilMs: number };

const counts = z.record(z.string(), z.object({ times: z.number(), untilMs: z.number() }));

const recordSchema = z.object({
  refusal: z.custom<Refusal>(),
  untilMs: z.number(),
  signIn: z.string().optional(),
  /** The token an answer is about. */
  field: z.string().optional(),
  /** How often each kind of pause came in a row, and until when the next one counts as in that row. */
  counts,
});

type About = {
  /** The key whose tag names who is throttled. */
  throttleKey: string;
  partition: string;
  /** The token without its claims: throttling does not look at them. */
  plainField: string;
  field: string;
};

const seconds: Record<Exclude<EntraClass, 'throttled' | 'transient'>, number> = refusalSeconds;

/** Entra's refusals, shared by all pods, so that none asks what another was just refused. */
export function createRefusals(
  store: Store,
  names: Names,
  sealing: Sealing,
  nowMs: () => number,
  random: () => number = Math.random,
) {
  type Kept = z.output<typeof recordSchema>;
  function unseal(key: string, sealed: Buffer | undefined): Kept | undefined {
    const opened = sealed && sealing.open(sealed, key);
    return opened && recordSchema.parse(JSON.parse(opened.plaintext.toString()));
  }
  const seal = (key: string, record: Kept) => sealing.seal(JSON.stringify(record), key);
  const keysOf = ({ throttleKey, partition, plainField, field }: About) => ({
    pause: names.throttle(throttleKey, `pause:${plainField}`),
    // Claims may change with every request: theirs share as many places as a name has last letters.
    answer: names.throttle(partition, `answer:${plainField}${field === plainField ? '' : `:${field.at(-1)}`}`),
  });

  async function rememberPause(about: About, refusal: Refusal, pause: string): Promise<Remembered> {
    const key = keysOf(about).pause;
    const last = unseal(key, await store.get(key));
    const now = nowMs();
    const { times: before } = live(last?.counts[pause], now) ?? { times: 0 };
    // Keys that failed together do not all try again together; what Entra itself asked for is kept to the second.
    const shorter = pause === 'transient' && refusal.retryAfterSeconds === undefined ? random() * backOffJitter : 0;
    const lastsMs = backOffSeconds(refusal, before + 1) * (1 - shorter) * 1_000;
    // Counted for twice as long, so that the next refusal in a row is known as such.
    const counts = { ...last?.counts, [pause]: { times: before + 1, untilMs: now + 2 * lastsMs } };
    // Two requests may be under way at once: the longer pause stands.
    const standing = last && last.untilMs > now + lastsMs ? last : { refusal, untilMs: now + lastsMs };
    const record = { refusal: standing.refusal, untilMs: standing.untilMs, counts };
    const keptMs = Math.max(standing.untilMs, ...Object.values(counts).map(({ untilMs }) => untilMs)) - now;
    await store.set(key, seal(key, record), keptMs);
    return record;
  }

  return {
    /** An answer that still stands. A new sign-in voids what was refused before it. */
    async recall(about: About, signIn: string | undefined): Promise<Remembered | undefined> {
      const keys = keysOf(about);
      const [sealedPause, sealedAnswer] = await store.getBoth(keys.pause, keys.answer);
      const pause = live(unseal(keys.pause, sealedPause), nowMs());
      const answer = live(unseal(keys.answer, sealedAnswer), nowMs());
      return pause ?? (answer?.signIn === signIn && answer?.field === about.field ? answer : undefined);
    },
    /** Keeps a refusal as long as its class says. */
    async remember(about: About, refusal: Refusal, signIn: string | undefined): Promise<Remembered> {
      const pause = findPause(refusal);
      if (pause !== undefined) return await rememberPause(about, refusal, pause);
      const key = keysOf(about).answer;
      const lastsMs = seconds[refusal.class as keyof typeof seconds] * 1_000;
      const record = { refusal, untilMs: nowMs() + lastsMs, signIn, field: about.field, counts: {} };
      await store.set(key, seal(key, record), lastsMs);
      return record;
    },
    /** The answer to a caller while a refusal stands. */
    toFault({ refusal, untilMs }: Remembered, scope?: string): Fault {
      return toEntraFault(refusal, scope, findPause(refusal) && Math.max(1, (untilMs - nowMs()) / 1_000));
    },
  };
}

/** Says once what Entra refused, however many callers it is answered to. */
export function logRefusal(logger: Logger, who: { client: string; account?: string }, refusal: Refusal): void {
  const { class: entraClass, known, members } = refusal;
  const facts = { ...who, class: entraClass, aadsts: members.error_codes, correlation_id: members.correlation_id };
  const level = findPause(refusal) || !known ? 'warn' : 'info';
  logger[level]({ event: known ? 'entra.refused' : 'entra.unclassified', ...facts });
}

/** What still stands. */
function live<T extends { untilMs: number }>(one: T | undefined, nowMs: number): T | undefined {
  return one && one.untilMs > nowMs ? one : undefined;
}

export type Refusals = ReturnType<typeof createRefusals>;
