import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Call, HttpResponse } from '../requests/call.ts';

const maxBodyBytes = 100_000;
const guidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Reads a request, handles it and writes the response; `undefined` from `handle` cuts the connection. Every response is
 * uncacheable and carries its ids; a body over the limit is 413.
 */
export function createListener(
  handle: (call: Call, res: ServerResponse) => Promise<HttpResponse | undefined>,
  { secure, now, logger }: { secure: boolean; now: () => number; logger: Logger },
): RequestListener {
  const respond = async (req: IncomingMessage, res: ServerResponse) => {
    const body = await readBody(req);
    if (body === undefined) return write(res, { status: 413, headers: { Connection: 'close' } });
    const call = readCall(req, body, secure, now());
    const result = await handle(call, res);
    if (!result) return res.destroy();
    const ids = { 'x-ms-request-id': call.ids.traceId, 'client-request-id': call.ids.correlationId };
    write(res, { ...result, headers: { ...result.headers, ...ids } });
  };
  return (req, res) => {
    respond(req, res).catch((error: unknown) => {
      logger.error({ event: 'request.failed', error });
      if (res.headersSent) res.destroy();
      else write(res, { status: 500 });
    });
  };
}

function write(res: ServerResponse, { status, headers = {}, body = '' }: HttpResponse): void {
  res.writeHead(status, { ...headers, 'Cache-Control': 'no-store', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

/** The body as text; undefined if it is over the limit. By events: the async iterator would double the cost of a read. */
function readBody(req: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) resolve(undefined);
      else chunks.push(chunk);
    });
    req.on('end', () => resolve(Buffer.concat(chunks).toString()));
    req.on('error', reject);
  });
}

function readCall(req: IncomingMessage, body: string, secure: boolean, nowSeconds: number): Call {
  const [path = '/', search = ''] = (req.url ?? '/').split('?', 2);
  const isForm = req.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  const query = new URLSearchParams(search);
  const form = new URLSearchParams(isForm ? body : '');
  const given = req.headers['client-request-id'] ?? query.get('client-request-id') ?? form.get('client-request-id');
  return {
    ...{ method: req.method ?? 'GET', path: decodePath(path), query, form, body, headers: req.headers, secure },
    ids: {
      traceId: randomUUID(),
      correlationId: typeof given === 'string' && guidShape.test(given) ? given : randomUUID(),
      timestamp: new Date(nowSeconds * 1000).toISOString().replace('T', ' ').replace(/\.\d+/, ''),
    },
  };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
