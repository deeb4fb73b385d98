import { DiagLogLevel, diag } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { measure } from '../signals.ts';
import type { Logger } from './logger.ts';

const complainEveryMs = 60_000;
const dropped = /^Dropped (\d+) spans because maxQueueSize reached/;

/**
 * What the log hears of telemetry itself: a setting that is not usable, by its name; exports that fail, once a minute,
 * with the last reason and how many spans were lost by then; that they succeed again; that more spans waited than are
 * kept. The SDK's own words are not logged: they quote values.
 */
export class ExportReports {
  readonly #logger: Logger;
  readonly #unusable = new Set<string>();
  #lost = 0;
  #failing = false;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** From now on hears what the SDK says. Its debug console would print to the log's own stream, so it is overridden. */
  listen(): void {
    const silent = () => {};
    const hear = (message: string) => this.#hear(message);
    const own = { error: hear, warn: hear, info: silent, debug: silent, verbose: silent };
    diag.setLogger(own, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
    setGlobalErrorHandler((error) => this.failed(error, 0));
  }

  /** An export failed for good, and with it so many spans. */
  failed(error: unknown, spans: number): void {
    this.#lose(spans);
    this.#failing = true;
    if (performance.now() - this.#saidAtMs < complainEveryMs) return;
    this.#saidAtMs = performance.now();
    this.#logger.warn(
      { event: 'telemetry.failed', error, lost: this.#lost },
      'telemetry cannot be sent; nothing else is affected',
    );
  }

  succeeded(): void {
    if (this.#failing) {
      this.#failing = false;
      this.#logger.info({ event: 'telemetry.resumed', lost: this.#takeLost() }, 'telemetry is sent again');
      this.#saidAtMs = Number.NEGATIVE_INFINITY;
    } else if (this.#lost > 0 && performance.now() - this.#saidAtMs >= complainEveryMs) {
      this.#saidAtMs = performance.now();
      this.#logger.warn({ event: 'telemetry.lost', lost: this.#takeLost() }, 'more spans waited than are kept');
    }
  }

  /** Says once of each setting that the specification's default is in its place. */
  unusable(names: Iterable<string>): void {
    for (const setting of names) {
      if (this.#unusable.has(setting)) continue;
      this.#unusable.add(setting);
      this.#logger.warn({ event: 'telemetry.setting', setting }, 'is not usable: its default is in its place');
    }
  }

  #hear(message: string): void {
    const [, count] = dropped.exec(message) ?? [];
    if (count) this.#lose(Number(count));
    this.unusable(message.match(/\bOTEL_[A-Z_]+\b/g) ?? []);
  }

  #takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  #lose(spans: number): void {
    if (spans === 0) return;
    this.#lost += spans;
    measure('onbehalf.telemetry.lost', spans);
  }
}
