import { createHistogram, encode, type Histogram, record } from '../results/histogram.ts';
import type { Seen } from './plan.ts';

/** How one request ended. `errorType` is undefined for a success. */
export type Outcome = { errorType?: string | undefined; retryAfterSeconds?: number | undefined; refused?: boolean };

/** A clock of ours and one of theirs, whole seconds, may disagree by so much without anything having moved. */
const sameMomentSeconds = 1.5;
/** How many recoveries are remembered. */
const recoveries = 1_000;

type SecondTally = { requests: number; errors: number; histogram: Histogram };

/** Counts what happened to the requests of one kind. All times are milliseconds since the start. */
export class Tally {
  readonly #name: string;
  readonly #response = createHistogram();
  readonly #service = createHistogram();
  readonly #seconds = new Map<number, SecondTally>();
  readonly #errors = new Map<string, { count: number; histogram: Histogram }>();
  /** Until when each person was told to wait. */
  readonly #notBefore = new Map<number, number>();
  readonly #firstSuccessAfterErrorSeconds: number[] = [];
  readonly #counts = { withoutRetryAfter: 0, risingRetryAfter: 0, opened: 0, foreign: 0, askedAgain: 0 };
  #failing = false;

  constructor(name: string) {
    this.#name = name;
  }

  end(times: { dueMs: number; sentMs: number; endMs: number }, person: number, outcome: Outcome): void {
    const latencyMs = times.endMs - times.dueMs;
    record(this.#response, latencyMs);
    record(this.#service, times.endMs - times.sentMs);
    const second = this.#secondAt(Math.floor(times.dueMs / 1_000));
    second.requests += 1;
    record(second.histogram, latencyMs);
    if (outcome.refused) this.#noteRetryAfter(person, times.endMs, outcome.retryAfterSeconds);
    if (outcome.errorType === undefined) this.#noteSuccess(times.endMs);
    else {
      second.errors += 1;
      this.#noteFailure(outcome.errorType, latencyMs);
    }
  }

  /** A token was opened: was it the asker's? */
  open(own: boolean): void {
    this.#counts.opened += 1;
    if (!own) this.#counts.foreign += 1;
  }

  /** A connection went away, and it was asked once more. */
  askAgain(): void {
    this.#counts.askedAgain += 1;
  }

  toSeen(): Seen {
    const errors = [...this.#errors];
    return {
      ...{ name: this.#name, response: encode(this.#response), service: encode(this.#service), ...this.#counts },
      errors: Object.fromEntries(errors.map(([type, { count }]) => [type, count])),
      errorLatencies: Object.fromEntries(errors.map(([type, { histogram }]) => [type, encode(histogram)])),
      firstSuccessAfterErrorSeconds: this.#firstSuccessAfterErrorSeconds,
      seconds: [...this.#seconds]
        .sort(([a], [b]) => a - b)
        .map(([atSeconds, { histogram, ...counts }]) => ({ atSeconds, ...counts, histogram: encode(histogram) })),
    };
  }

  #noteSuccess(endMs: number): void {
    if (this.#failing && this.#firstSuccessAfterErrorSeconds.length < recoveries)
      this.#firstSuccessAfterErrorSeconds.push(endMs / 1_000);
    this.#failing = false;
  }

  #noteFailure(type: string, latencyMs: number): void {
    this.#failing = true;
    const known = this.#errors.get(type) ?? { count: 0, histogram: createHistogram() };
    this.#errors.set(type, known);
    known.count += 1;
    record(known.histogram, latencyMs);
  }

  #noteRetryAfter(person: number, endMs: number, retryAfterSeconds: number | undefined): void {
    if (retryAfterSeconds === undefined) {
      this.#counts.withoutRetryAfter += 1;
      return;
    }
    const [nowSeconds, before] = [endMs / 1_000, this.#notBefore.get(person) ?? 0];
    const until = nowSeconds + retryAfterSeconds;
    if (before > nowSeconds + sameMomentSeconds && until > before + sameMomentSeconds)
      this.#counts.risingRetryAfter += 1;
    this.#notBefore.set(person, until);
  }

  #secondAt(atSeconds: number): SecondTally {
    const known = this.#seconds.get(atSeconds) ?? { requests: 0, errors: 0, histogram: createHistogram(2) };
    this.#seconds.set(atSeconds, known);
    return known;
  }
}
