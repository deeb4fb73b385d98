import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';

/** By how much of itself a pause may be shorter or longer, so that pods do not all come together. */
const jitter = 0.25;

/** Does some work at once and then every `everyMs`, until it is disposed of. A failure is logged; the next turn tries again. */
export function repeating(work: () => Promise<void>, everyMs: number, logger: Logger): AsyncDisposable {
  const closing = new AbortController();
  async function repeat(): Promise<void> {
    while (!closing.signal.aborted) {
      await work().catch((error) => logger.debug({ event: 'upkeep.failed', error }));
      const pauseMs = everyMs * (1 + jitter * (2 * Math.random() - 1));
      await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => {});
    }
  }
  const done = repeat();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await done;
    },
  };
}
