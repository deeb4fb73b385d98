// Gives OTLP/JSON bodies, one a line of the file that argv names, to Microsoft's exporter, which sends what it makes of
// them to the ingestion endpoint of its connection string.
import { readFileSync } from 'node:fs';
import { AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';

/** What Microsoft calls a kind of OTLP: the API's SpanKind begins at 0, OTLP's at 1. */
const spanOf = (resource, span) => ({
  ...{ name: span.name, kind: span.kind - 1, resource, attributes: attributesOf(span.attributes) },
  spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: 1 }),
  parentSpanContext: span.parentSpanId
    ? { traceId: span.traceId, spanId: span.parentSpanId, traceFlags: 1 }
    : undefined,
  startTime: timeOf(BigInt(span.startTimeUnixNano)),
  endTime: timeOf(BigInt(span.endTimeUnixNano)),
  duration: timeOf(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)),
  status: { code: span.status?.code ?? 0 },
  links: (span.links ?? []).map((link) => ({ context: link })),
  ...{ events: [], ended: true, instrumentationScope: { name: 'onbehalf' } },
});
const timeOf = (nanos) => [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
const attributesOf = (pairs = []) => Object.fromEntries(pairs.map(({ key, value }) => [key, anyOf(value)]));
const anyOf = ({ stringValue, intValue, doubleValue, boolValue }) =>
  stringValue ?? boolValue ?? doubleValue ?? Number(intValue);

const bodies = readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean);
const spans = bodies.flatMap((body) =>
  JSON.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => spanOf({ attributes: attributesOf(resource.attributes) }, span)),
    ),
  ),
);
const exporter = new AzureMonitorTraceExporter({
  connectionString: process.env.APPLICATIONINSIGHTS_CONNECTION_STRING,
  disableOfflineStorage: true,
});
const { code, error } = await new Promise((resolve) => exporter.export(spans, resolve));
if (code !== 0) throw error ?? new Error('not exported');
// Its own statistics keep timers.
process.exit(0);
