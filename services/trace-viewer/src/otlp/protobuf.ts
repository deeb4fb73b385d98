import { Fault } from '@onbehalf/node/core/fault';

type Kind = 'string' | 'hex' | 'bool' | 'int' | 'double' | 'time';
/** Field number → [name in OTLP's JSON, kind or message, repeated]. */
type Message = { [field: number]: readonly [name: string, kind: Kind | (() => Message), repeated?: 'repeated'] };

// The fields of opentelemetry-proto's trace.proto, common.proto and resource.proto that the viewer shows.
const arrayValue: Message = { 1: ['values', () => anyValue, 'repeated'] };
const anyValue: Message = {
  1: ['stringValue', 'string'],
  2: ['boolValue', 'bool'],
  3: ['intValue', 'int'],
  4: ['doubleValue', 'double'],
  5: ['arrayValue', () => arrayValue],
};
const keyValue: Message = { 1: ['key', 'string'], 2: ['value', () => anyValue] };
const attributes = ['attributes', () => keyValue, 'repeated'] as const;
const event: Message = { 1: ['timeUnixNano', 'time'], 2: ['name', 'string'], 3: attributes };
const link: Message = { 1: ['traceId', 'hex'], 2: ['spanId', 'hex'] };
const status: Message = { 2: ['message', 'string'], 3: ['code', 'int'] };
const span: Message = {
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  4: ['parentSpanId', 'hex'],
  5: ['name', 'string'],
  6: ['kind', 'int'],
  7: ['startTimeUnixNano', 'time'],
  8: ['endTimeUnixNano', 'time'],
  9: attributes,
  11: ['events', () => event, 'repeated'],
  13: ['links', () => link, 'repeated'],
  15: ['status', () => status],
};
const scopeSpans: Message = { 2: ['spans', () => span, 'repeated'] };
const resource: Message = { 1: attributes };
const resourceSpans: Message = { 1: ['resource', () => resource], 2: ['scopeSpans', () => scopeSpans, 'repeated'] };
const exportRequest: Message = { 1: ['resourceSpans', () => resourceSpans, 'repeated'] };

/**
 * Reads a protobuf `ExportTraceServiceRequest` into OTLP's JSON shape; unknown fields are skipped.
 * @throws Fault `invalid_request` if the bytes are not protobuf.
 */
export function decodeExport(bytes: Buffer): unknown {
  try {
    return { resourceSpans: [], ...decode(exportRequest, bytes, 0) };
  } catch (cause) {
    throw new Fault('invalid_request', 'The body is not an OTLP trace export in protobuf.', { cause });
  }
}

function decode(message: Message, bytes: Buffer, depth: number): Record<string, unknown> {
  if (depth > 16) throw new RangeError('nested too deep');
  const result: Record<string, unknown> = {};
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError('varint too long');
  };
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) throw new RangeError('cut short');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const readers = [varint, () => take(8), () => take(Number(varint())), undefined, undefined, () => take(4)];
  while (at < bytes.length) {
    const tag = Number(varint());
    const read = readers[tag & 7];
    if (!read) throw new RangeError('unknown wire type');
    const raw = read();
    const [name, kind, repeated] = message[tag >>> 3] ?? [];
    if (name === undefined || kind === undefined) continue;
    const value = toValue(kind, raw, depth);
    if (!repeated) result[name] = value;
    else if (Array.isArray(result[name])) result[name].push(value);
    else result[name] = [value];
  }
  return result;
}

function toValue(kind: Kind | (() => Message), raw: bigint | Buffer, depth: number): unknown {
  if (typeof raw === 'bigint') return kind === 'bool' ? raw !== 0n : Number(raw);
  if (typeof kind === 'function') return decode(kind(), raw, depth + 1);
  if (kind === 'hex') return raw.toString('hex');
  if (kind === 'time') return String(raw.readBigUInt64LE());
  return kind === 'double' ? raw.readDoubleLE() : raw.toString('utf8');
}
