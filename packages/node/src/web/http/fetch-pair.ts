import { PassThrough, Readable, Writable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { WebRequest } from './request.ts';
import type { WebResponse } from './response.ts';

type HeaderValue = number | string | readonly string[];

/** What handlers of node:http write, as a Response of Fetch that begins with their first byte. */
class FetchResponse extends Writable {
  statusCode = 200;
  headersSent = false;
  readonly locals: Record<string, unknown> = {};
  readonly req: WebRequest;
  readonly response: Promise<Response>;
  readonly #headers = new Map<string, HeaderValue>();
  readonly #body = new PassThrough();
  #begin: (response: Response) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(req: WebRequest) {
    super();
    this.req = req;
    this.response = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    // Nobody may wait for it, where the request is not for us.
    this.response.catch(() => undefined);
    this.#body.once('close', () => this.destroy());
    // Whoever reads the response hears of it.
    for (const stream of [this, this.#body]) stream.on('error', () => undefined);
  }

  setHeader(name: string, value: HeaderValue): this {
    this.#headers.set(name.toLowerCase(), value);
    return this;
  }

  appendHeader(name: string, value: string): this {
    return this.setHeader(name, [this.getHeader(name) ?? []].flat().map(String).concat(value));
  }

  getHeader(name: string): HeaderValue | undefined {
    return this.#headers.get(name.toLowerCase());
  }

  getHeaders(): Record<string, HeaderValue> {
    return Object.fromEntries(this.#headers);
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
  }

  writeHead(statusCode: number, headers: Record<string, HeaderValue | undefined> = {}): this {
    this.statusCode = statusCode;
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.setHeader(name, value);
    this.#send();
    return this;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send();
    this.#body.write(chunk, encoding, done);
  }

  override _final(done: () => void): void {
    this.#send();
    this.#body.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.headersSent) this.#fail(error ?? new Error('no response'));
    if (!this.writableFinished) this.#body.destroy(error ?? new Error('the response was cut'));
    done(error);
  }

  #send(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    const headers = new Headers();
    for (const [name, value] of this.#headers) for (const one of [value].flat()) headers.append(name, String(one));
    const without = this.req.method === 'HEAD' || [204, 205, 304].includes(this.statusCode);
    if (without) this.#body.resume();
    const body = without ? null : (Readable.toWeb(this.#body) as ReadableStream<Uint8Array>);
    this.#begin(new Response(body as ConstructorParameters<typeof Response>[0], { status: this.statusCode, headers }));
  }
}

/** The body is taken when it is read, not before: a request that is not for us is the app's. */
async function* chunksOf({ body }: Request) {
  if (body) yield* body as ReadableStream<Uint8Array>;
}

/**
 * A request of Fetch as handlers of node:http see one, and a response that becomes one of Fetch: only the members that
 * the handlers of this package use are there. `address` is the client's, where the server knows it.
 */
export function toPair(request: Request, address?: string) {
  const { pathname, search, host } = new URL(request.url);
  const body = Readable.from(chunksOf(request), { objectMode: false });
  const headers: Record<string, string> = { host, ...Object.fromEntries(request.headers) };
  if (request.body && !headers['content-length']) headers['transfer-encoding'] = 'chunked';
  const socket = { remoteAddress: address, destroy: () => body.destroy() };
  const rawHeaders = ['Host', headers.host];
  const head = { method: request.method, url: `${pathname}${search}`, headers, rawHeaders };
  const req = Object.assign(body, { ...head, socket });
  Object.defineProperty(req, 'complete', { get: () => !request.body || body.readableEnded });
  const res = new FetchResponse(req as unknown as WebRequest);
  request.signal.addEventListener('abort', () => res.destroy(), { once: true });
  return { req: req as unknown as WebRequest, res: res as unknown as WebResponse, response: res.response };
}
