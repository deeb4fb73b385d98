import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@onbehalf/chassis/logger';
import type { Broker } from './broker.ts';
import { revokeAgain } from './lifetimes.ts';

type EndingsOptions = {
  broker: Broker;
  logger: Logger;
  nowMs: () => number;
  /** Waits between two tries; a test brings its own. */
  pause?: (ms: number) => Promise<void>;
};

/** Ends sessions at the broker, and keeps at it for a minute when the broker cannot confirm. */
export function createEndings({
  broker,
  logger,
  nowMs,
  pause = (ms) => delay(ms, undefined, { ref: false }),
}: EndingsOptions) {
  async function again(attempt: () => Promise<void>, traceId: string): Promise<void> {
    const untilMs = nowMs() + revokeAgain.forMs;
    while (nowMs() < untilMs) {
      await pause(revokeAgain.everyMs);
      try {
        await attempt();
        logger.info({ event: 'session.end_confirmed', trace_id: traceId });
        return;
      } catch {
        // The next round says it again; the last word is below.
      }
    }
    logger.error({ event: 'session.end_unconfirmed', trace_id: traceId }, 'a session could not be ended: it idles out');
  }

  return {
    /** Ends this session or all of the person's; false if that is not confirmed yet. */
    async end(where: 'here' | 'everywhere', token: string, traceId: string): Promise<boolean> {
      const attempt = () =>
        where === 'here' ? broker.revoke(token, traceId) : broker.revokeEverywhere(token, traceId);
      try {
        await attempt();
        return true;
      } catch (error) {
        logger.warn({ event: 'session.end_retrying', trace_id: traceId, error });
        void again(attempt, traceId);
        return false;
      }
    },
  };
}

export type Endings = ReturnType<typeof createEndings>;
