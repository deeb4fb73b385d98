import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { findReason } from '@onbehalf/node/core/reason';
import { isVerdict } from './redis-errors.ts';

/** Whether Redis responds. Logs when Redis stops to respond, when the reason becomes known, and when it responds again. */
export class Availability {
  readonly #silenceMs: number;
  readonly #logger: Logger;
  #repliedMs = performance.now();
  #isUp = true;
  /** The client's last error while no command could be sent. */
  #trouble: unknown;
  #loggedReason = '';

  /** `silenceMs`: an outage begins after so long without any response; one lost command or node is no outage. */
  constructor(silenceMs: number, logger: Logger) {
    this.#silenceMs = silenceMs;
    this.#logger = logger;
  }

  get trouble(): unknown {
    return this.#trouble;
  }

  /** How long ago Redis last responded. */
  get silentMs(): number {
    return performance.now() - this.#repliedMs;
  }

  noteTrouble(error?: unknown): void {
    this.#trouble = error ?? this.#trouble;
  }

  replied(): void {
    this.#repliedMs = performance.now();
    this.#trouble = undefined;
    this.#loggedReason = '';
    if (this.#isUp) return;
    this.#isUp = true;
    this.#logger.info({ event: 'redis.up', dependency: 'redis' }, 'Redis responds again');
  }

  failed(error: unknown = this.#trouble): void {
    const reason = findReason(error);
    // A code of Redis says more than an error of the network, and any reason says more than none.
    const saysMore =
      reason !== this.#loggedReason && (isVerdict(error) || this.#loggedReason === findReason(undefined));
    if ((!this.#isUp && !saysMore) || this.silentMs < this.#silenceMs) return;
    this.#isUp = false;
    this.#loggedReason = reason;
    this.#logger.error({ event: 'redis.down', dependency: 'redis', reason, error }, 'Redis does not respond');
  }
}
