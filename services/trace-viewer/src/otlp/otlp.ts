import { Fault } from '@onbehalf/node/core/fault';
import type { Attributes, AttributeValue, Span } from '../span.ts';

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const errorStatus = new Set<unknown>([2, 'STATUS_CODE_ERROR']);

/** The limits of one span; the rest is cut, so that no sender can fill the memory. */
const limits = { nameChars: 256, valueChars: 1_024, attributes: 64, events: 32, links: 32, elements: 32 };

type Json = Record<string, unknown>;

/**
 * The spans of an `ExportTraceServiceRequest` in OTLP's JSON shape (opentelemetry.io, "OTLP specification", JSON
 * Protobuf Encoding). Spans without usable ids are left out.
 * @throws Fault `invalid_request` if it is no such request.
 */
export function readSpans(request: unknown): Span[] {
  if (!isObject(request) || !Array.isArray(request.resourceSpans)) {
    throw new Fault('invalid_request', 'The body is not an OTLP trace export: resourceSpans is missing.');
  }
  return list(request.resourceSpans).flatMap((resourceSpans) => {
    const service = readAttributes(object(resourceSpans.resource).attributes)['service.name'] ?? 'unknown';
    return list(resourceSpans.scopeSpans).flatMap(({ spans }) =>
      list(spans).flatMap((span) => readSpan(span, text(service)) ?? []),
    );
  });
}

function readSpan(span: Json, service: string): Span | undefined {
  const traceId = id(span.traceId, 32);
  const spanId = id(span.spanId, 16);
  if (!traceId || !spanId) return undefined;
  const parentId = id(span.parentSpanId, 16);
  const startMs = time(span.startTimeUnixNano);
  const message = text(object(span.status).message);
  return {
    traceId,
    spanId,
    ...(parentId && { parentId }),
    name: text(span.name).slice(0, limits.nameChars),
    kind: readKind(span.kind),
    service,
    startMs,
    endMs: Math.max(startMs, time(span.endTimeUnixNano)),
    error: errorStatus.has(object(span.status).code),
    ...(message && { message }),
    attributes: readAttributes(span.attributes),
    events: list(span.events)
      .slice(0, limits.events)
      .map((event) => ({
        name: text(event.name).slice(0, limits.nameChars),
        atMs: time(event.timeUnixNano),
        attributes: readAttributes(event.attributes),
      })),
    links: list(span.links)
      .slice(0, limits.links)
      .map((link) => ({ traceId: id(link.traceId, 32), spanId: id(link.spanId, 16) }))
      .filter((link) => link.traceId && link.spanId),
  };
}

function readKind(value: unknown): Span['kind'] {
  if (typeof value === 'number') return kinds[value] ?? 'internal';
  const name = text(value).replace('SPAN_KIND_', '').toLowerCase();
  return kinds.find((kind) => kind === name) ?? 'internal';
}

function readAttributes(value: unknown): Attributes {
  const pairs = list(value).slice(0, limits.attributes);
  return Object.fromEntries(pairs.map((pair) => [text(pair.key).slice(0, limits.nameChars), readValue(pair.value)]));
}

/** OTLP's AnyValue. Maps and bytes stay JSON text. */
function readValue(any: unknown, depth = 0): AttributeValue {
  const value = object(any);
  if (typeof value.boolValue === 'boolean') return value.boolValue;
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.stringValue !== undefined) return text(value.stringValue);
  if (isObject(value.arrayValue) && depth < 4) {
    const { values } = value.arrayValue;
    return list(values)
      .slice(0, limits.elements)
      .map((element) => readValue(element, depth + 1));
  }
  return text(written(any));
}

function written(any: unknown): string {
  try {
    return JSON.stringify(any) ?? '';
  } catch {
    // Nested deeper than the stack.
    return '…';
  }
}

/** OTLP writes nanoseconds as a decimal string; a number has lost some digits already. */
function time(value: unknown): number {
  const digits = typeof value === 'number' ? String(Math.trunc(value)) : text(value);
  return /^\d{1,19}$/.test(digits) ? Number(BigInt(digits) / 1_000n) / 1_000 : 0;
}

function id(value: unknown, length: number): string {
  const hex = text(value).toLowerCase();
  return hex.length === length && /^[0-9a-f]+$/.test(hex) && !/^0+$/.test(hex) ? hex : '';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, limits.valueChars) : '';
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
