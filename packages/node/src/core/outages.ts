import { Fault } from './fault.ts';
import type { Log } from './log.ts';
import { findReason } from './reason.ts';

type OutageLog = Pick<Log, 'info' | 'warn'>;

/** Whether a dependency is away. The log is told once that it is, with the reason, and once that it responds again. */
export class Outage {
  readonly #dependency: string;
  readonly #logger: OutageLog;
  #away = false;

  constructor(dependency: string, logger: OutageLog) {
    this.#dependency = dependency;
    this.#logger = logger;
  }

  down(error: unknown): void {
    if (this.#away) return;
    this.#away = true;
    const facts = { event: 'dependency.down', dependency: this.#dependency, reason: findReason(error), error };
    this.#logger.warn(facts, 'does not respond');
  }

  up(): void {
    if (!this.#away) return;
    this.#away = false;
    this.#logger.info({ event: 'dependency.up', dependency: this.#dependency }, 'responds again');
  }
}

/** The outages of several dependencies, by name. */
export class Outages {
  readonly #logger: OutageLog;
  readonly #all = new Map<string, Outage>();

  constructor(logger: OutageLog) {
    this.#logger = logger;
  }

  of(dependency: string): Outage {
    const outage = this.#all.get(dependency) ?? new Outage(dependency, this.#logger);
    this.#all.set(dependency, outage);
    return outage;
  }
}

/**
 * The same function; the log is told once that what it asks is away, and once that it responds again, however many
 * requests fail in between. A response that is no Fault `unavailable` tells nothing either way.
 */
export function tellOutages<Asked extends unknown[], Response>(
  dependency: string,
  logger: OutageLog,
  ask: (...asked: Asked) => Response | Promise<Response>,
): (...asked: Asked) => Promise<Response> {
  const outage = new Outage(dependency, logger);
  return async (...asked) => {
    try {
      const response = await ask(...asked);
      outage.up();
      return response;
    } catch (error) {
      if (error instanceof Fault && error.code === 'unavailable') outage.down(error.cause);
      throw error;
    }
  };
}

/** For the log: the cause of a Fault where a program responded by a status that says "not now". */
export function refusedWith(status: number): Error {
  return Object.assign(new Error('refused'), { code: `HTTP_${status}` });
}
