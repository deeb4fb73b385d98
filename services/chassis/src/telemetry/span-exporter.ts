import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { ExportReports } from './export-reports.ts';

/**
 * The last door before the wire: of a span's attributes only the allowed leave, its events (exceptions quote messages)
 * and its free text do not. What the sources let slip by mistake ends here. What is lost is reported.
 */
export class GuardedSpanExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #allowed: ReadonlySet<string>;
  readonly #reports: ExportReports;
  #underWay = 0;

  constructor(exporter: SpanExporter, allowed: ReadonlySet<string>, reports: ExportReports) {
    this.#exporter = exporter;
    this.#allowed = allowed;
    this.#reports = reports;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    for (const span of spans) strip(span, this.#allowed);
    this.#underWay += spans.length;
    this.#exporter.export(spans, (result) => {
      this.#underWay -= spans.length;
      if (result.code === 0) this.#reports.succeeded();
      else this.#reports.failed(result.error, spans.length);
      // The loss is reported. Told of it, the processor would export several batches at once, and lose them all.
      done({ code: 0 });
    });
  }

  /** Gives up what is still under way: the process ends. */
  abandon(): void {
    if (this.#underWay > 0) this.#reports.failed(new Error('the process ends'), this.#underWay);
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }
}

function strip({ attributes, events, links, status }: ReadableSpan, allowed: ReadonlySet<string>): void {
  for (const name of Object.keys(attributes)) if (!allowed.has(name)) delete attributes[name];
  events.length = 0;
  for (const link of links) delete link.attributes;
  if (status.message !== undefined) status.message = String(attributes['error.type'] ?? '');
}
