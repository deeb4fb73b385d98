import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { findReason } from '@onbehalf/node/core/reason';
import { isVerdict } from './redis-errors.ts';

/** The reason while the first connection is neither there nor refused. */
const connecting = 'connecting';

/** Whether Redis responds. Logs when Redis stops to respond, when the reason becomes known, and when it responds again. */
export class Availability {
  readonly #silenceMs: number;
  readonly #logger: Logger;
  #repliedMs = performance.now();
  #isUp = true;
  /** The client's last error while no command could be sent. */
  #trouble: unknown;
  /** The last command's error: commands that are not sent because of it have none of their own. */
  #failure: unknown;
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
    this.#failure = undefined;
    this.#loggedReason = '';
    if (this.#isUp) return;
    this.#isUp = true;
    this.#logger.info({ event: 'redis.up', dependency: 'redis' }, 'Redis responds again');
  }

  /** A command failed with this error, or was not sent. */
  failed(own?: unknown): void {
    this.#failure = own ?? this.#failure;
    const error = own ?? this.#trouble ?? this.#failure;
    const reason = error === undefined ? connecting : findReason(error);
    // A code of Redis says more than an error of the network, and any reason says more than none.
    const saysMore = reason !== this.#loggedReason && (isVerdict(error) || this.#loggedReason === connecting);
    if ((!this.#isUp && !saysMore) || this.silentMs < this.#silenceMs) return;
    this.#isUp = false;
    this.#loggedReason = reason;
    this.#logger.error({ event: 'redis.down', dependency: 'redis', reason, error }, 'Redis does not respond');
  }
}
