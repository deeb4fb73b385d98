import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { send } from '../respond.ts';
import type { Span } from '../span.ts';
import type { Traces } from '../traces.ts';
import { readBody } from './body.ts';
import { readSpans } from './otlp.ts';
import { decodeExport } from './protobuf.ts';

export type Signal = 'traces' | 'metrics' | 'logs';

/** Gets every export as it came, inflated. */
export type OnExport = (signal: Signal, body: Buffer, contentType: string) => void;

/** An OTLP/HTTP receiver of traces; it accepts metrics and logs, and drops them. */
export class Receiver {
  readonly #traces: Traces;
  readonly #onExport: OnExport | undefined;

  constructor(traces: Traces, onExport: OnExport | undefined) {
    this.#traces = traces;
    this.#onExport = onExport;
  }

  /** @throws Fault `unsupported_media_type`, and those of `readBody` and `readSpans`. */
  async receive(req: IncomingMessage, res: ServerResponse, signal: Signal): Promise<void> {
    const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim();
    if (type !== 'application/json' && type !== 'application/x-protobuf') {
      throw new Fault('unsupported_media_type', 'OTLP comes as application/json or application/x-protobuf.');
    }
    const body = await readBody(req);
    this.#onExport?.(signal, body, type);
    if (signal === 'traces') this.#traces.add(parseSpans(body, type));
    // An empty message is OTLP's full success, in either encoding.
    send(res, 200, type, type === 'application/json' ? '{}' : '');
  }
}

function parseSpans(body: Buffer, type: string): Span[] {
  return readSpans(type === 'application/json' ? parseJson(body) : decodeExport(body));
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new Fault('invalid_request', 'The body is not JSON.', { cause });
  }
}
