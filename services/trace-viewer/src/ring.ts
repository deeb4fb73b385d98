import type { Span } from './span.ts';

/**
 * The newest spans, whole traces at a time: beyond `capacity` spans the oldest trace goes. One trace keeps at most a
 * tenth of it, so that a runaway sender cannot push all others out.
 */
export class SpanRing {
  readonly #capacity: number;
  /** In order of first arrival: the first one is the oldest. */
  readonly #traces = new Map<string, Map<string, Span>>();
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Takes a span; a span sent twice counts once. Gives the ids of traces that had to go. */
  add(span: Span): string[] {
    const trace = this.#traces.get(span.traceId) ?? new Map<string, Span>();
    this.#traces.set(span.traceId, trace);
    if (!trace.has(span.spanId)) {
      if (trace.size >= Math.max(1, this.#capacity / 10)) return [];
      this.#size++;
    }
    trace.set(span.spanId, span);
    return this.#evict(span.traceId);
  }

  /**
   * The spans of a trace by their start; empty if it is unknown. Starts are whole milliseconds, so the root goes before
   * other spans of its millisecond, also where it arrived after them.
   */
  trace(traceId: string): Span[] {
    const below = ({ parentId }: Span) => (parentId === undefined ? 0 : 1);
    return [...(this.#traces.get(traceId)?.values() ?? [])].sort(
      (a, b) => a.startMs - b.startMs || below(a) - below(b),
    );
  }

  traceIds(): string[] {
    return [...this.#traces.keys()];
  }

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#traces.clear();
    this.#size = 0;
  }

  #evict(arriving: string): string[] {
    const gone: string[] = [];
    for (const [traceId, trace] of this.#traces) {
      if (this.#size <= this.#capacity) break;
      if (traceId === arriving) continue;
      this.#traces.delete(traceId);
      this.#size -= trace.size;
      gone.push(traceId);
    }
    return gone;
  }
}
