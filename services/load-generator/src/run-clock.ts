/** What a run takes beside its load until one was seen: servers that start, people who sign in. */
const assumedOverheadSeconds = 15;

/** Knows how far a set of runs is: `3 of 11, 1:40 left`. Runs are planned with the seconds for which each sends. */
export class RunClock {
  readonly #seconds: number[];
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  #done = 0;

  constructor(seconds: number[], nowMs: () => number = () => performance.now()) {
    this.#seconds = seconds;
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  /** One more run has ended. */
  end(): void {
    this.#done += 1;
  }

  /** `sent`: the seconds for which the current run has been sending. */
  tell(sent = 0): string {
    const sum = (seconds: number[]) => seconds.reduce((total, one) => total + one, 0);
    const elapsed = (this.#nowMs() - this.#startedMs) / 1_000;
    const [done, ahead] = [sum(this.#seconds.slice(0, this.#done)), this.#seconds.slice(this.#done)];
    const overhead = this.#done > 0 ? Math.max(0, elapsed - done - sent) / (this.#done + 1) : assumedOverheadSeconds;
    const left = Math.max(0, Math.round(sum(ahead) - sent + overhead * Math.max(0, ahead.length - (sent > 0 ? 1 : 0))));
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    return `${Math.min(this.#done + 1, this.#seconds.length)} of ${this.#seconds.length}, ${clock} left`;
  }
}
