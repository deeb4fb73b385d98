import type { IncomingMessage, ServerResponse } from 'node:http';
import { serve } from '@onbehalf/chassis/http/serve';
import { Fault, toFault } from '@onbehalf/node/core/fault';
import { readBody } from './body.ts';
import { type Flow, toFlow } from './flow.ts';
import { createLive } from './live.ts';
import { readSpans } from './otlp.ts';
import { decodeExport } from './otlp-protobuf.ts';
import { toMermaid } from './page/mermaid.js';
import { type Page, renderExport, renderPage } from './page.ts';
import { SpanRing } from './ring.ts';
import type { Span } from './span.ts';

export type Signal = 'traces' | 'metrics' | 'logs';

export type ViewerOptions = {
  /** 0 takes a free port. */
  port?: number;
  /** The address to bind; the loopback address unless said. */
  host?: string;
  /** Names beside localhost that a `Host` header may carry. */
  allowedHosts?: string[];
  /** How many spans are kept; 20,000 unless said. */
  capacity?: number;
  /** Sees every export as it came, inflated; what a test looks into. */
  onExport?: (signal: Signal, body: Buffer, contentType: string) => void;
};

export type Viewer = AsyncDisposable & {
  /** The page's origin; also the value of `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  url: string;
  flows(): Flow[];
  spans(traceId: string): Span[];
};

type Handler = (req: IncomingMessage, res: ServerResponse, parameter: string) => void | Promise<void>;

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];
const drainMs = 1_000;

/** An OTLP/HTTP receiver with one page that draws each trace. Opens a listener. */
export async function createViewer(options: ViewerOptions = {}): Promise<Viewer> {
  const { port = 0, host = '127.0.0.1', capacity = 20_000, onExport } = options;
  const hosts = new Set([...loopbackNames, ...(options.allowedHosts ?? [])]);
  const ring = new SpanRing(capacity);
  const flowOf = (traceId: string) => toFlow(ring.trace(traceId));
  const flows = () => ring.traceIds().map(flowOf).sort(newestFirst);
  const live = createLive((changed, gone) => ({ changed: [...changed].map(flowOf), gone: [...gone] }));

  function known(traceId: string): { flow: Flow; spans: Span[] } {
    const spans = ring.trace(traceId);
    if (spans.length === 0) throw new Fault('not_found', 'This trace is not, or no longer, kept here.');
    return { flow: toFlow(spans), spans };
  }

  async function receive(req: IncomingMessage, res: ServerResponse, signal: string): Promise<void> {
    const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim();
    if (type !== 'application/json' && type !== 'application/x-protobuf') {
      throw new Fault('unsupported_media_type', 'OTLP comes as application/json or application/x-protobuf.');
    }
    const body = await readBody(req);
    onExport?.(signal as Signal, body, type);
    if (signal === 'traces') {
      const spans = readSpans(type === 'application/json' ? parseJson(body) : decodeExport(body));
      const gone = new Set(spans.flatMap((span) => ring.add(span)));
      const changed = new Set(spans.map((span) => span.traceId).filter((id) => ring.trace(id).length > 0));
      live.tell(changed, gone);
    }
    // An empty message is OTLP's full success, in either encoding.
    send(res, 200, type, type === 'application/json' ? '{}' : '');
  }

  const routes: [method: string, path: RegExp, handler: Handler][] = [
    ['POST', /^\/v1\/(traces|metrics|logs)$/, receive],
    ['GET', /^\/(?:traces\/[0-9a-f]{32})?$/, (_req, res) => sendPage(res, renderPage())],
    ['GET', /^\/api\/flows$/, (_req, res) => sendJson(res, flows())],
    ['GET', /^\/api\/stream$/, (_req, res) => live.open(res)],
    ['GET', /^\/api\/traces\/([0-9a-f]{32})$/, (_req, res, id) => sendJson(res, known(id))],
    [
      'GET',
      /^\/api\/traces\/([0-9a-f]{32})\.mmd$/,
      (_req, res, id) => send(res, 200, text, toMermaid(known(id).spans)),
    ],
    ['GET', /^\/api\/traces\/([0-9a-f]{32})\.html$/, (_req, res, id) => sendPage(res, renderExport(known(id)))],
    ['GET', /^\/livez$/, (_req, res) => send(res, 200, text, 'alive\n')],
    [
      'DELETE',
      /^\/api\/traces$/,
      (_req, res) => {
        live.tell([], ring.traceIds());
        ring.clear();
        send(res, 204, text, '');
      },
    ],
  ];

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { hostname, pathname } = address(req);
    // A page elsewhere can make its own name resolve to this address; it cannot make the browser send another Host.
    // A probe names the pod's address, and learns nothing.
    if (pathname !== '/livez' && !hosts.has(hostname))
      throw new Fault('forbidden', 'This Host is not served; ALLOWED_HOSTS names those that are.');
    const matching = routes.filter(([, path]) => path.test(pathname));
    if (matching.length === 0) throw new Fault('not_found', 'There is nothing at this address.');
    const route = matching.find(([method]) => method === req.method);
    const allow = matching.map(([method]) => method).join(', ');
    if (!route) throw new Fault('method_not_allowed', 'This address does not take that method.', { allow });
    await route[2](req, res, route[1].exec(pathname)?.[1] ?? '');
  }

  const serving = await serve(
    (req, res) => {
      handle(req, res).catch((error) => sendFault(res, toFault(error)));
    },
    { port, host, drainMs },
  );
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${serving.port}`,
    flows,
    spans: (traceId) => ring.trace(traceId),
    async [Symbol.asyncDispose]() {
      live[Symbol.dispose]();
      await serving[Symbol.asyncDispose]();
    },
  };
}

const text = 'text/plain; charset=utf-8';

function newestFirst(a: Flow, b: Flow): number {
  return b.startMs - a.startMs;
}

function address(req: IncomingMessage): URL {
  const url = `http://${req.headers.host}${req.url}`;
  if (!req.url?.startsWith('/') || !URL.canParse(url)) throw new Fault('invalid_request', 'The address is not usable.');
  return new URL(url);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new Fault('invalid_request', 'The body is not JSON.', { cause });
  }
}

function sendPage(res: ServerResponse, { html, policy }: Page): void {
  res.setHeader('Content-Security-Policy', policy);
  send(res, 200, 'text/html; charset=utf-8', html);
}

function sendJson(res: ServerResponse, value: unknown, status = 200): void {
  send(res, status, 'application/json', JSON.stringify(value));
}

function sendFault(res: ServerResponse, fault: Fault): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const [name, value] of Object.entries(fault.toHeaders())) res.setHeader(name, value);
  sendJson(res, fault.toBody(), fault.status);
}

function send(res: ServerResponse, status: number, type: string, body: string): void {
  if (!res.hasHeader('Content-Security-Policy')) res.setHeader('Content-Security-Policy', "default-src 'none'");
  res.writeHead(status, {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  res.end(body);
}
