import type { IncomingMessage } from 'node:http';
import { toPair } from './http/fetch-pair.ts';
import type { WebRequest } from './http/request.ts';
import { traceIdOf, type WebResponse } from './http/response.ts';
import { toSession } from './middleware.ts';
import { ownEnvironment, type WebOptions } from './options.ts';
import { type ProcessOptions, WebCore, type WebSession } from './web-core.ts';

/** Any server's request: Fetch's, or node:http's as Fastify's `request.raw` and others have it. */
export type AnyRequest = Request | IncomingMessage;

type Pair = { req: WebRequest; res: WebResponse; response: Promise<Response> };

/** Signing in for whatever serves Fetch's Request and Response: Hono, Next.js and others. */
export class Web implements AsyncDisposable {
  readonly #core: WebCore;
  readonly #pairs = new WeakMap<AnyRequest, Pair>();

  constructor(core: WebCore) {
    this.#core = core;
  }

  /**
   * The response to a request for `/sign-in`, `/sign-out`, `/session`, `/auth/*` or below `/api`; undefined for any other.
   * `address` is the client's, by which the rate of the public routes is limited.
   */
  async handle(request: Request, { address }: { address?: string } = {}): Promise<Response | undefined> {
    const { req, res, response } = toPair(request, address);
    const served = this.#core.serve(req, res);
    return await Promise.race([response, served.then((ours) => (ours ? response : undefined))]);
  }

  /** Who is signed in, by the broker's word; asked once per request. @throws Fault while the broker does not respond. */
  async session(request: AnyRequest): Promise<WebSession> {
    return toSession(await this.#find(request));
  }

  /** An access token for the person, by an API's name or by scopes. @throws Fault that `explain` makes a response of. */
  async token(request: AnyRequest, asked: string | readonly string[]): Promise<string> {
    return await this.#core.token(await this.#find(request), traceIdOf(this.#pair(request).res), asked);
  }

  /** A process token for a job of the person. @throws as `token`. */
  async startProcess(
    request: AnyRequest,
    asked: string | readonly string[],
    options?: ProcessOptions,
  ): Promise<string> {
    const found = await this.#find(request);
    return await this.#core.startProcess(found, traceIdOf(this.#pair(request).res), [asked, options]);
  }

  /** Calls an API of the option `apis` for the person. `path` begins with a slash. @throws as `token`. */
  async fetch(request: AnyRequest, api: string, path: string, init?: RequestInit): Promise<Response> {
    const found = await this.#find(request);
    return await this.#core.fetch(found, traceIdOf(this.#pair(request).res), [api, path, init]);
  }

  /**
   * Lets a request pass that has a session and, where it may change something, comes from a page of ours.
   * @throws Fault that `explain` makes a response of: to sign in and back, or 401 for a script.
   */
  async requireSignIn(request: AnyRequest): Promise<WebSession> {
    const found = await this.#find(request);
    this.#core.requireSignIn(this.#pair(request).req, found);
    return toSession(found);
  }

  /** The response that sends the person to do what a call needs and back, or that says what went wrong. */
  async explain(error: unknown, request: AnyRequest): Promise<Response> {
    const { req, res, response } = this.#pair(request);
    await this.#core.refuse(error, req, res);
    return await response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#core[Symbol.asyncDispose]();
  }

  async #find(request: AnyRequest) {
    const { req, res } = this.#pair(request);
    return await this.#core.find(req, res, request);
  }

  /** The body stays the app's: only the head is read. */
  #pair(request: AnyRequest): Pair {
    const known = this.#pairs.get(request) ?? toPair(headOf(request));
    this.#pairs.set(request, known);
    return known;
  }
}

function headOf(request: AnyRequest): Request {
  if (request instanceof Request) return new Request(request.url, { method: request.method, headers: request.headers });
  const { method = 'GET', url = '/', headers } = request;
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
  // A target of node:http may be no address at all.
  const address = url.startsWith('/') ? `http://any${url}` : url;
  return new Request(URL.canParse(address) ? address : 'http://any/', { method, headers: entries });
}

/** @throws ConfigError naming every option that is wrong. */
export function createWeb(options: WebOptions = {}, env: NodeJS.ProcessEnv = ownEnvironment): Web {
  return new Web(new WebCore(options, env));
}
