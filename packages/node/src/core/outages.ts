import { Fault } from './fault.ts';
import type { Log } from './log.ts';

/**
 * The same function; the log is told once that what it asks is away, and once that it answers again, however many
 * requests fail in between. An answer that is no Fault `unavailable` tells nothing either way.
 */
export function tellOutages<Asked extends unknown[], Answer>(
  dependency: string,
  logger: Pick<Log, 'info' | 'warn'>,
  ask: (...asked: Asked) => Answer | Promise<Answer>,
): (...asked: Asked) => Promise<Answer> {
  let away = false;
  return async (...asked) => {
    try {
      const answer = await ask(...asked);
      if (away) logger.info({ event: 'dependency.up', dependency }, 'answers again');
      away = false;
      return answer;
    } catch (error) {
      if (error instanceof Fault && error.code === 'unavailable') {
        if (!away) logger.warn({ event: 'dependency.down', dependency, error: error.cause }, 'does not answer');
        away = true;
      }
      throw error;
    }
  };
}
