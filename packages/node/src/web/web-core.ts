import { type Fault, toFault } from '../core/fault.ts';
import { type KeyRing, openKeyRing } from '../core/keys/key-ring.ts';
import { createMountedFile } from '../core/mounted-file.ts';
import { connect } from './connect.ts';
import { createHandlers, type Handlers, serveOurs } from './handlers.ts';
import { pathOf, sentTargetOf, type WebRequest } from './http/request.ts';
import { exchangeOf, sendJson, setHeaders, traceIdOf, type WebResponse } from './http/response.ts';
import { readOptions, type WebOptions } from './options.ts';
import { type Pages, usePages } from './pages/pages.ts';
import { plainPages } from './pages/plain-pages.ts';
import { redirect } from './pages/redirect.ts';
import { cookiesOf } from './session/cookies.ts';
import type { Found } from './session/current-session.ts';
import { findLocation, locationOf } from './session/location.ts';
import { sessionCookie } from './session/session.ts';
import { SessionRevocation } from './sign-in/session-revocation.ts';
import { neededFor, SignedInCalls, signInNeeded } from './signed-in.ts';
import { stderrLog } from './stderr-log.ts';

/** Who is signed in. `oid` and `tid` name the person; name and username are for display. */
export type WebUser = { oid: string; tid: string; name: string | undefined; username: string | undefined };

/** The session of a request: without a `user` nobody is signed in. `endsAt` is when it ends at the latest. */
export type WebSession = { user: WebUser | undefined; endsAt: Date | undefined };

/** `client`: the name at the broker of the client that is to use a process; this app unless said. */
export type ProcessOptions = { client?: string };

/** Headers of our own pages and data; a page sets what it needs besides. */
const securityHeaders = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Signing in as handlers of node:http, for whatever mounts them. Opens no port; the key directory is followed. */
export class WebCore implements AsyncDisposable {
  readonly #handlers: Handlers;
  readonly #calls: SignedInCalls;
  readonly #pages: Pages;
  readonly #revocation: SessionRevocation;
  readonly #ring: Disposable & { get(): KeyRing };
  readonly #found = new WeakMap<object, Promise<Found>>();

  /** @throws ConfigError naming every option that is wrong. */
  constructor(options: WebOptions, env: NodeJS.ProcessEnv) {
    const logger = options.log ?? stderrLog;
    const { keys, assertion, apis, ...config } = readOptions(options, env);
    this.#ring = typeof keys === 'string' ? openKeyRing(keys, logger) : { get: () => keys, [Symbol.dispose]() {} };
    const proof = typeof assertion === 'string' ? createMountedFile(assertion) : assertion;
    const { broker, entra } = connect({ config, assertion: proof, logger });
    this.#revocation = new SessionRevocation({ broker, logger });
    const deps = { config, apis, broker, entra, revocation: this.#revocation, keys: this.#ring.get, logger };
    this.#handlers = createHandlers(deps);
    this.#calls = new SignedInCalls(deps);
    this.#pages = { ...plainPages, ...options.pages };
  }

  /** Serves what is ours, refusals included. Returns whether the request was for us. */
  async serve(req: WebRequest, res: WebResponse): Promise<boolean> {
    usePages(res, this.#pages);
    try {
      return await serveOurs(this.#handlers, req, res, securityHeaders);
    } catch (error) {
      await this.refuse(error, req, res);
      return true;
    }
  }

  /** The session of a request, by the broker's word; asked once per request. @throws Fault while the broker does not respond. */
  find(req: WebRequest, res: WebResponse, key: object = req): Promise<Found> {
    this.#arrive(req);
    const known = this.#found.get(key) ?? this.#handlers.current.look(req, res);
    this.#found.set(key, known);
    return known;
  }

  token(found: Found, traceId: string, asked: string | readonly string[]): Promise<string> {
    return this.#calls.token(asked, { found, traceId });
  }

  startProcess(
    found: Found,
    traceId: string,
    [asked, options = {}]: [asked: string | readonly string[], options?: ProcessOptions | undefined],
  ): Promise<string> {
    return this.#calls.startProcess(asked, options, { found, traceId });
  }

  fetch(
    found: Found,
    traceId: string,
    [api, path, init = {}]: [api: string, path: string, init?: RequestInit | undefined],
  ): Promise<Response> {
    return this.#calls.fetch(api, path, init, { found, traceId });
  }

  /** Lets a request pass that has a session and, where it may change something, comes from a page of ours. @throws Fault. */
  requireSignIn(req: WebRequest, { session, lifetime }: Found): void {
    this.#arrive(req);
    if (!/^(GET|HEAD|OPTIONS)$/.test(req.method ?? '')) this.#handlers.ours(req);
    if (!session || !lifetime) throw signInNeeded(session);
  }

  /** Responds with what an error asks of the person, or says: pages for navigations, JSON for scripts. */
  async refuse(error: unknown, req: WebRequest, res: WebResponse): Promise<void> {
    const fault = toFault(error);
    // Elsewhere there are no pages of ours, nor a way to sign in.
    if (!findLocation(req) && !this.#handlers.locations.find(req).location) return this.#json(fault, req, res);
    this.#arrive(req);
    const needed = neededFor(fault);
    const page = isNavigation(req);
    usePages(res, this.#pages);
    if (needed && page) {
      const { stepUpLinks } = this.#handlers;
      return await stepUpLinks.respondToPage(req, res, { ...needed, returnTo: this.#pageOf(req) });
    }
    if (needed) return await this.#handlers.stepUpLinks.respondToScript(res, needed);
    if (fault.code === 'login_required') return this.#sendToSignIn(fault, req, res, page);
    if (page) this.#page(fault, req, res);
    else this.#json(fault, req, res);
  }

  /** On disposal sign-outs that are not confirmed yet are tried once more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#revocation[Symbol.asyncDispose]();
    this.#ring[Symbol.dispose]();
  }

  /** Of what was not served here: frameworks ask for a session or an explanation alone. */
  #arrive(req: WebRequest): void {
    if (!findLocation(req)) this.#handlers.locations.choose(req);
  }

  #sendToSignIn(fault: Fault, req: WebRequest, res: WebResponse, page: boolean): void {
    if (page) {
      redirect(res, toSignIn(this.#pageOf(req)));
      return;
    }
    res.statusCode = 401;
    setHeaders(res, fault.toHeaders());
    const sign_in = locationOf(req).address('/sign-in');
    sendJson(res, { error: fault.code, sign_in, trace_id: traceIdOf(res) });
  }

  #page(fault: Fault, req: WebRequest, res: WebResponse): void {
    if (!this.#begin(fault, req, res)) return;
    const { beginAgain } = exchangeOf(res);
    const signedIn = cookiesOf(req).has(locationOf(req).cookie(sessionCookie));
    this.#pages.trouble(res, fault, { again: req.method === 'GET', signedIn, beginAgain });
  }

  #json(fault: Fault, req: WebRequest, res: WebResponse): void {
    const { retryAfterSeconds: seconds } = fault;
    const later = seconds !== undefined && { retry_after: Math.ceil(seconds) };
    if (this.#begin(fault, req, res)) sendJson(res, { ...fault.toBody(traceIdOf(res)), ...later });
  }

  /** Logs a Fault and sets its status and headers. A response that has begun is cut: returns false. */
  #begin(fault: Fault, req: WebRequest, res: WebResponse): boolean {
    this.#handlers.failures.fault(fault, `${req.method} ${patternOf(req)}`, traceIdOf(res));
    if (res.headersSent) {
      res.destroy();
      return false;
    }
    res.statusCode = fault.status;
    setHeaders(res, { ...securityHeaders, 'Referrer-Policy': 'no-referrer', ...fault.toHeaders() });
    return true;
  }

  /** The page that the person is at: a form's is the one that it was sent from. */
  #pageOf(req: WebRequest): string {
    if (req.method === 'GET' || req.method === 'HEAD') return sentTargetOf(req);
    const { referer = '' } = req.headers;
    const from = URL.canParse(referer) ? new URL(referer) : undefined;
    return from?.origin === locationOf(req).origin ? `${from.pathname}${from.search}` : '/';
  }
}

const toSignIn = (returnTo: string) => `/sign-in?${new URLSearchParams({ return_to: returnTo })}`;

const patternOf = ({ route }: WebRequest & { route?: { path?: unknown } }) =>
  typeof route?.path === 'string' ? route.path : 'unmatched';

/** Paths that scripts and Entra's frame read, whatever they say they accept. */
const dataPaths = /^\/(api\/|session$|auth\/front-channel-logout$)/;

/** Whether a person's browser shows the response. W3C Fetch Metadata section 2.1; without it, by what is accepted. */
function isNavigation(req: WebRequest): boolean {
  const { accept = '', 'sec-fetch-dest': dest, 'x-csrf': script } = req.headers;
  if (dataPaths.test(pathOf(req)) || script !== undefined) return false;
  return dest === undefined ? accept.includes('text/html') : /^(document|iframe|frame)$/.test(String(dest));
}
