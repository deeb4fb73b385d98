import type { Fault, FaultCode } from '../../core/fault.ts';
import type { Log } from '../../core/log.ts';

/** So many failures have a line of their own, and this many more each second; the others share one line a second. */
const burst = 100;
const perSecond = 10;
/** A line of trace ids stays below 32 KB. */
const idsPerLine = 900;
const shareMs = 1_000;

/** Nothing is wrong: there is nothing at the address. */
const expected: readonly FaultCode[] = ['not_found', 'method_not_allowed'];

type Failure = { level: 'info' | 'warn' | 'error'; code: string; traceId: string; facts: object; text?: string };

/**
 * The log of what failed before a person's eyes: the reference on each page, and in each response for a script, finds a
 * line with that `trace_id`. In a flood it finds it in a list, `trace_ids`.
 */
export class FailureLog {
  readonly #logger: Log;
  readonly #nowMs: () => number;
  #free = burst;
  #countedAtMs: number;
  readonly #held = new Map<string, { count: number; trace_ids: string[] }>();

  constructor(logger: Log, nowMs: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#countedAtMs = nowMs();
  }

  /** A request that ended in a Fault. */
  fault(fault: Fault, route: string, traceId: string): void {
    const level = fault.level === 'error' ? 'error' : expected.includes(fault.code) ? 'info' : 'warn';
    const facts = { route, status: fault.status, error: level === 'info' ? undefined : fault.cause };
    this.#write({ level, code: fault.code, traceId, facts, text: fault.message });
  }

  /** A page that shows how an API refused. */
  api(api: string, status: number, traceId: string): void {
    this.#write({ level: 'warn', code: `api_${status}`, traceId, facts: { api, status } });
  }

  /** A page that asks for the same step-up as a moment ago. */
  stepUp(kind: string, traceId: string): void {
    this.#write({ level: 'warn', code: 'step_up_repeated', traceId, facts: { kind } });
  }

  #write({ level, code, traceId, facts, text = 'failed' }: Failure): void {
    const nowMs = this.#nowMs();
    this.#free = Math.min(burst, this.#free + ((nowMs - this.#countedAtMs) / 1_000) * perSecond);
    this.#countedAtMs = nowMs;
    if (this.#free < 1) {
      this.#hold(code, traceId);
      return;
    }
    this.#free -= 1;
    this.#logger[level]({ event: 'request.failed', error_code: code, trace_id: traceId, ...facts }, text);
  }

  #hold(code: string, traceId: string): void {
    if (this.#held.size === 0) setTimeout(() => this.#share(), shareMs).unref();
    const held = this.#held.get(code) ?? { count: 0, trace_ids: [] };
    this.#held.set(code, held);
    held.count += 1;
    if (held.trace_ids.length < idsPerLine) held.trace_ids.push(traceId);
  }

  #share(): void {
    for (const [error_code, held] of this.#held) this.#logger.warn({ event: 'requests.failed', error_code, ...held });
    this.#held.clear();
  }
}
