import type { Log } from '@onbehalf/node/core/log';
import { newTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { streamCheckMs } from '../lifetimes.ts';

type Close = () => void;

type OpenStreamsDeps = {
  lives: (token: string, traceId: string) => Promise<boolean>;
  logger: Pick<Log, 'info'>;
};

/** So many sessions are asked for at once. */
const atOnce = 20;

/**
 * What is open for people: responses, uploads, WebSockets, by session. Each session is asked for every few seconds, once
 * for all that it has open; where it has ended all of that is closed. While the broker does not respond, nothing is.
 */
export class OpenStreams implements Disposable {
  readonly #deps: OpenStreamsDeps;
  readonly #streams = new Map<string, Set<Close>>();
  #timer: NodeJS.Timeout | undefined;
  #checking = false;

  constructor(deps: OpenStreamsDeps) {
    this.#deps = deps;
  }

  /** Until the result is called. `close` ends it, and may be called more than once. */
  add(token: string, close: () => void): () => void {
    const own = this.#streams.get(token) ?? new Set();
    if (own.size === 0) this.#streams.set(token, own);
    own.add(close);
    this.#timer ??= setInterval(() => void this.#check(), streamCheckMs).unref();
    return () => {
      own.delete(close);
      if (own.size === 0 && this.#streams.get(token) === own) this.#streams.delete(token);
    };
  }

  /** Closes what this session has open. */
  end(token: string): void {
    const own = this.#streams.get(token);
    if (!own) return;
    this.#deps.logger.info({ event: 'streams.closed', count: own.size });
    for (const close of own) close();
  }

  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const left = [...this.#streams.keys()];
    const work = async () => {
      for (let token = left.pop(); token !== undefined; token = left.pop()) await this.#checkOne(token);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    this.#checking = false;
  }

  async #checkOne(token: string): Promise<void> {
    try {
      if (!(await this.#deps.lives(token, newTraceId()))) this.end(token);
    } catch {
      // An outage signs nobody out: it is asked again.
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
