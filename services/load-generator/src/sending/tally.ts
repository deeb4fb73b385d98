import { createHistogram, encode, type Histogram, record } from '../results/histogram.ts';
import type { Seen } from './plan.ts';

/** How one request ended. `errorType` is undefined for a success. */
export type Outcome = { errorType?: string | undefined; retryAfterSeconds?: number | undefined; refused?: boolean };

/** A clock of ours and one of theirs, whole seconds, may disagree by so much without anything having moved. */
const sameMomentSeconds = 1.5;
/** How many recoveries are remembered. */
const recoveries = 1_000;

type SecondTally = { requests: number; errors: number; histogram: Histogram };

/** Counts what happened to the requests of one kind. */
export function createTally(name: string) {
  const [response, service] = [createHistogram(), createHistogram()];
  const seconds = new Map<number, SecondTally>();
  const errors = new Map<string, { count: number; histogram: Histogram }>();
  const notBefore = new Map<number, number>();
  const firstSuccessAfterErrorSeconds: number[] = [];
  let [withoutRetryAfter, risingRetryAfter, opened, foreign, askedAgain] = [0, 0, 0, 0, 0];
  let failing = false;

  const secondOf = (atSeconds: number) => {
    const known = seconds.get(atSeconds) ?? { requests: 0, errors: 0, histogram: createHistogram(2) };
    seconds.set(atSeconds, known);
    return known;
  };

  function noteRetryAfter(person: number, endMs: number, retryAfterSeconds: number | undefined): void {
    if (retryAfterSeconds === undefined) {
      withoutRetryAfter += 1;
      return;
    }
    const [nowSeconds, before] = [endMs / 1_000, notBefore.get(person) ?? 0];
    const until = nowSeconds + retryAfterSeconds;
    if (before > nowSeconds + sameMomentSeconds && until > before + sameMomentSeconds) risingRetryAfter += 1;
    notBefore.set(person, until);
  }

  return {
    /** All times are milliseconds since the start. */
    end(times: { dueMs: number; sentMs: number; endMs: number }, person: number, outcome: Outcome): void {
      const latencyMs = times.endMs - times.dueMs;
      record(response, latencyMs);
      record(service, times.endMs - times.sentMs);
      const second = secondOf(Math.floor(times.dueMs / 1_000));
      second.requests += 1;
      record(second.histogram, latencyMs);
      if (outcome.refused) noteRetryAfter(person, times.endMs, outcome.retryAfterSeconds);
      if (outcome.errorType === undefined) {
        if (failing && firstSuccessAfterErrorSeconds.length < recoveries)
          firstSuccessAfterErrorSeconds.push(times.endMs / 1_000);
        failing = false;
        return;
      }
      failing = true;
      second.errors += 1;
      const known = errors.get(outcome.errorType) ?? { count: 0, histogram: createHistogram() };
      errors.set(outcome.errorType, known);
      known.count += 1;
      record(known.histogram, latencyMs);
    },
    /** A token was opened: was it the asker's? */
    open(own: boolean): void {
      opened += 1;
      if (!own) foreign += 1;
    },
    /** A connection went away, and it was asked once more. */
    askAgain(): void {
      askedAgain += 1;
    },
    toSeen: (): Seen => ({
      ...{ name, response: encode(response), service: encode(service) },
      errors: Object.fromEntries([...errors].map(([type, { count }]) => [type, count])),
      errorLatencies: Object.fromEntries([...errors].map(([type, { histogram }]) => [type, encode(histogram)])),
      ...{ withoutRetryAfter, risingRetryAfter, opened, foreign, askedAgain, firstSuccessAfterErrorSeconds },
      seconds: [...seconds]
        .sort(([a], [b]) => a - b)
        .map(([atSeconds, { requests, errors: failed, histogram }]) => ({
          ...{ atSeconds, requests, errors: failed, histogram: encode(histogram) },
        })),
    }),
  };
}

export type Tally = ReturnType<typeof createTally>;
