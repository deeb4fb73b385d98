import type { ServerResponse } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { type Flow, toFlow } from './flow.ts';
import { Live } from './live.ts';
import { SpanRing } from './ring.ts';
import type { Span } from './span.ts';

/** The traces in memory, and the open pages that follow them. */
export class Traces {
  readonly #ring: SpanRing;
  readonly #live: Live;

  /** @param capacity how many spans are kept. */
  constructor(capacity: number) {
    this.#ring = new SpanRing(capacity);
    this.#live = new Live((changed, gone) => ({
      changed: [...changed].map((traceId) => toFlow(this.#ring.trace(traceId))),
      gone: [...gone],
    }));
  }

  add(spans: Span[]): void {
    const gone = new Set(spans.flatMap((span) => this.#ring.add(span)));
    const changed = new Set(spans.map((span) => span.traceId).filter((id) => this.#ring.trace(id).length > 0));
    this.#live.tell(changed, gone);
  }

  /** The newest first. */
  flows(): Flow[] {
    return this.#ring
      .traceIds()
      .map((traceId) => toFlow(this.#ring.trace(traceId)))
      .sort((a, b) => b.startMs - a.startMs);
  }

  spans(traceId: string): Span[] {
    return this.#ring.trace(traceId);
  }

  /** @throws Fault `not_found`. */
  find(traceId: string): { flow: Flow; spans: Span[] } {
    const spans = this.#ring.trace(traceId);
    if (spans.length === 0) throw new Fault('not_found', 'This trace is not here, or not here any more.');
    return { flow: toFlow(spans), spans };
  }

  clear(): void {
    this.#live.tell([], this.#ring.traceIds());
    this.#ring.clear();
  }

  /** Keeps a response open as a stream of changes. */
  stream(res: ServerResponse): void {
    this.#live.open(res);
  }

  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]();
  }
}
