import { serve } from '@onbehalf/chassis/http/serve';
import { toFault } from '@onbehalf/node/core/fault';
import type { Flow } from './flow.ts';
import { type OnExport, Receiver } from './otlp/receiver.ts';
import { sendFault } from './respond.ts';
import { Router } from './router.ts';
import type { Span } from './span.ts';
import { Traces } from './traces.ts';

export type { Signal } from './otlp/receiver.ts';

export type ViewerOptions = {
  /** 0 takes a free port. */
  port?: number;
  /** The address to bind; default the loopback address. */
  host?: string;
  /** Names beside localhost that a `Host` header may carry. */
  allowedHosts?: string[];
  /** How many spans are kept; default 20,000. */
  capacity?: number;
  /** For tests that look into what was sent. */
  onExport?: OnExport;
};

export type Viewer = AsyncDisposable & {
  /** The page's origin; also the value of `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  url: string;
  flows(): Flow[];
  spans(traceId: string): Span[];
};

const drainMs = 1_000;

/** An OTLP/HTTP receiver with one page that draws each trace. Opens a listener. */
export async function createViewer(options: ViewerOptions = {}): Promise<Viewer> {
  const { port = 0, host = '127.0.0.1', capacity = 20_000, allowedHosts = [], onExport } = options;
  const traces = new Traces(capacity);
  const router = new Router(traces, new Receiver(traces, onExport), allowedHosts);
  const serving = await serve(
    (req, res) => {
      router.handle(req, res).catch((error) => sendFault(res, toFault(error)));
    },
    { port, host, drainMs },
  );
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${serving.port}`,
    flows: () => traces.flows(),
    spans: (traceId) => traces.spans(traceId),
    async [Symbol.asyncDispose]() {
      traces[Symbol.dispose]();
      await serving[Symbol.asyncDispose]();
    },
  };
}
