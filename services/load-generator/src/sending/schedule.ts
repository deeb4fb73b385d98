import { seeded } from '@onbehalf/chassis/life/random';
import { z } from 'zod';

/** When requests are due, whatever the answers do. `ramp` goes from `fromPerSecond` to `ratePerSecond`. */
export const scheduleSchema = z.strictObject({
  shape: z.enum(['constant', 'ramp', 'poisson']).default('constant'),
  ratePerSecond: z.number().positive(),
  fromPerSecond: z.number().nonnegative().default(0),
  durationSeconds: z.number().positive(),
  seed: z.int().default(1),
});

export type Schedule = z.output<typeof scheduleSchema>;

/** The milliseconds since the start at which each request is due, in order. */
export function* dueTimesMs(schedule: Schedule): Generator<number> {
  const endMs = schedule.durationSeconds * 1_000;
  const nextMs = { constant, ramp, poisson }[schedule.shape](schedule);
  for (let dueMs = nextMs(); dueMs < endMs; dueMs = nextMs()) yield dueMs;
}

function constant({ ratePerSecond }: Schedule): () => number {
  let sent = 0;
  return () => (sent++ * 1_000) / ratePerSecond;
}

/** The time at which the integral of the rate reaches the request's number. */
function ramp({ fromPerSecond: from, ratePerSecond: to, durationSeconds }: Schedule): () => number {
  const perSecondSquared = (to - from) / durationSeconds;
  let sent = 0;
  return () => {
    const n = sent++;
    if (perSecondSquared === 0) return (n * 1_000) / to;
    const root = from ** 2 + 2 * perSecondSquared * n;
    return root < 0 ? Number.POSITIVE_INFINITY : ((Math.sqrt(root) - from) / perSecondSquared) * 1_000;
  };
}

function poisson({ ratePerSecond, seed }: Schedule): () => number {
  const random = seeded(seed);
  let atMs = 0;
  return () => {
    atMs += (-Math.log(1 - random()) * 1_000) / ratePerSecond;
    return atMs;
  };
}
