import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** Keeps every finished span of this process in memory, in place of an SDK that exports. Once per process. */
export function keepSpans() {
  const exporter = new InMemorySpanExporter();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  return {
    /** The spans that ended since the last look. */
    take() {
      const spans = exporter.getFinishedSpans();
      exporter.reset();
      return spans;
    },
  };
}
