import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';

/**
 * The last door before the wire: of a span's attributes only the allowed leave, its events (exceptions quote messages)
 * and its free text do not. What the sources let slip by mistake ends here. Once `leaving`, nothing is sent any more:
 * a collector that is away never holds up a shutdown.
 */
export function allowOnly(allowed: ReadonlySet<string>, leaving: AbortSignal, exporter: SpanExporter): SpanExporter {
  return {
    export(spans, done) {
      if (leaving.aborted) return done({ code: 1 });
      for (const span of spans) strip(span, allowed);
      exporter.export(spans, done);
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
}

function strip({ attributes, events, links, status }: ReadableSpan, allowed: ReadonlySet<string>): void {
  for (const name of Object.keys(attributes)) if (!allowed.has(name)) delete attributes[name];
  events.length = 0;
  for (const link of links) delete link.attributes;
  if (status.message !== undefined) status.message = String(attributes['error.type'] ?? '');
}
