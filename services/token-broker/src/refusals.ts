import { z } from 'zod';
import { backOffSeconds, type EntraClass, type Refusal } from './entra-answer.ts';
import { backOffJitter, refusalSeconds } from './lifetimes.ts';
import type { Names } from './names.ts';
import type { Sealing } from './sealing.ts';
import type { Store } from './store.ts';

/** What Entra refused, and until when nobody needs to ask again. */
export type Remembered = { refusal: Refusal; untilMs: number };

const recordSchema = z.object({
  refusal: z.custom<Refusal>(),
  untilMs: z.number(),
  times: z.number(),
  signIn: z.string().optional(),
});

type About = {
  /** The key whose tag names who is throttled. */
  party: string;
  partition: string;
  /** The token without its claims: throttling does not look at them. */
  plainField: string;
  field: string;
};

/** Which answers hold for whoever asks for these scopes, and which for exactly this token. */
const pauses = new Set<EntraClass>(['throttled', 'transient']);
const answers: Partial<Record<EntraClass, number>> = { ...refusalSeconds };

/** Entra's refusals, shared by all pods, so that none asks what another was just refused. */
export function createRefusals(
  store: Store,
  names: Names,
  sealing: Sealing,
  nowMs: () => number,
  random: () => number = Math.random,
) {
  function unseal(key: string, sealed: Buffer | undefined) {
    const opened = sealed && sealing.open(sealed, key);
    return opened && recordSchema.parse(JSON.parse(opened.plaintext.toString()));
  }
  const keysOf = ({ party, partition, plainField, field }: About) => ({
    pause: names.throttle(party, plainField),
    answer: names.throttle(partition, `r${field}`),
  });

  return {
    /** An answer that still stands. A new sign-in voids what was refused before it. */
    async recall(about: About, signIn: string | undefined): Promise<Remembered | undefined> {
      const keys = keysOf(about);
      const [sealedPause, sealedAnswer] = await store.getBoth(keys.pause, keys.answer);
      const pause = unseal(keys.pause, sealedPause);
      const answer = unseal(keys.answer, sealedAnswer);
      if (pause && pause.untilMs > nowMs()) return pause;
      if (answer && answer.untilMs > nowMs() && answer.signIn === signIn) return answer;
      return undefined;
    },
    /** Keeps a refusal as long as its class says. */
    async remember(about: About, refusal: Refusal, signIn: string | undefined): Promise<Remembered> {
      const keys = keysOf(about);
      const pausing = pauses.has(refusal.class);
      const seconds = pausing ? undefined : answers[refusal.class];
      if (!pausing && seconds === undefined) return { refusal, untilMs: nowMs() };
      const key = pausing ? keys.pause : keys.answer;
      const times = pausing ? (unseal(key, await store.get(key))?.times ?? 0) + 1 : 1;
      // Keys that failed together do not all try again together; what Entra itself asked for is kept to the second.
      const shorter =
        refusal.class === 'transient' && refusal.retryAfterSeconds === undefined ? random() * backOffJitter : 0;
      const lastsMs = (seconds ?? backOffSeconds(refusal, times) * (1 - shorter)) * 1_000;
      const record = { refusal, untilMs: nowMs() + lastsMs, times, signIn };
      // Kept for twice as long, so that the next refusal in a row is known as such.
      await store.set(key, sealing.seal(JSON.stringify(record), key), lastsMs * (pausing ? 2 : 1));
      return record;
    },
  };
}

export type Refusals = ReturnType<typeof createRefusals>;
