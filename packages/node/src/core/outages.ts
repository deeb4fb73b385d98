import { Fault } from './fault.ts';
import type { Log } from './log.ts';

/**
 * The same function; the log is told once that what it asks is away, and once that it responds again, however many
 * requests fail in between. A response that is no Fault `unavailable` tells nothing either way.
 */
export function tellOutages<Asked extends unknown[], Response>(
  dependency: string,
  logger: Pick<Log, 'info' | 'warn'>,
  ask: (...asked: Asked) => Response | Promise<Response>,
): (...asked: Asked) => Promise<Response> {
  let away = false;
  return async (...asked) => {
    try {
      const response = await ask(...asked);
      if (away) logger.info({ event: 'dependency.up', dependency }, 'responds again');
      away = false;
      return response;
    } catch (error) {
      if (error instanceof Fault && error.code === 'unavailable') {
        if (!away) logger.warn({ event: 'dependency.down', dependency, error: error.cause }, 'does not respond');
        away = true;
      }
      throw error;
    }
  };
}
