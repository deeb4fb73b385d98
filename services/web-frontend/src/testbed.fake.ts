import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import { makeRsaKey } from '@onbehalf/node/core/keys/rsa.fake';
import { type Apis, apisSchema } from '@onbehalf/node/web/apis/apis';
import { connect } from '@onbehalf/node/web/connect';
import { createHandlers } from '@onbehalf/node/web/handlers';
import { Location, setLocation } from '@onbehalf/node/web/session/location';
import { Locations } from '@onbehalf/node/web/session/locations';
import { SessionRevocation } from '@onbehalf/node/web/sign-in/session-revocation';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { createFrontend } from './app.ts';
import type { Product } from './pages/page.ts';
import type { Upstream } from './upstreams/file/upstreams-file.ts';

/** What the app believes its address is; the sockets of a test are elsewhere. */
export const publicBaseUrl = 'http://localhost:3000';
export const location = new Location(publicBaseUrl, { only: true, sharers: 1 });

/** A request of a test's own, as if it had come there. */
export function arrived(req: object, at = location): IncomingMessage {
  setLocation(req as IncomingMessage, at);
  return req as IncomingMessage;
}

export const tenantId = '11111111-1111-4111-8111-111111111111';
export const clientId = '22222222-2222-4222-8222-222222222222';
export const alice = { oid: 'oid-alice', tid: tenantId, sid: 'sid-alice', name: 'Alice <b>', login_hint: 'hint-alice' };

type Wire = { origin: string; down: boolean; hangs: boolean; connections: number; requests: Received[] };
export type Received = { method: string; path: string; headers: IncomingMessage['headers']; body: string };
type Reply = { status?: number; headers?: Record<string, string>; json?: unknown };

/** A server of our own that can be down (connections are cut) or hang (no response). */
async function openWire(reply: (received: Received) => Promise<Reply> | Reply, own?: (wire: Wire) => RequestListener) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const wire: Wire & AsyncDisposable & { connected(): Promise<Socket> } = {
    origin,
    down: false,
    hangs: false,
    connections: 0,
    requests: [],
    /** The socket of the next request. */
    connected: async () => ((await once(server, 'request')) as [IncomingMessage])[0].socket,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  const listener =
    own?.(wire) ??
    (async (req: IncomingMessage, res: ServerResponse) => {
      const received = { method: req.method ?? '', path: req.url ?? '', headers: req.headers, body: await text(req) };
      wire.requests.push(received);
      const { status = 200, headers = {}, json = {} } = await reply(received);
      res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
    });
  server.on('request', (req, res) => {
    wire.connections += 1;
    if (wire.down) req.socket.destroy();
    else if (!wire.hangs) void listener(req, res);
  });
  return wire;
}

/** Entra's key and one that is not. */
const [entraKeys, strangerKeys] = [makeRsaKey(), makeRsaKey()];

/** Entra as far as the frontend sees it: discovery, keys, and what a person's visit comes back with. */
async function openEntra() {
  const jwk = { ...(await exportJWK(entraKeys.publicKey)), kid: 'k1', use: 'sig', alg: 'RS256' };
  const issuer = () => `${wire.origin}/${tenantId}/v2.0`;
  const wire = await openWire(({ path }) => {
    const issuerName = path.startsWith('/organizations/') ? `${wire.origin}/{tenantid}/v2.0` : issuer();
    if (path.endsWith('/keys')) return { json: { keys: [jwk] } };
    return {
      json: {
        issuer: issuerName,
        authorization_endpoint: `${wire.origin}/authorize`,
        token_endpoint: `${wire.origin}/token`,
        end_session_endpoint: `${wire.origin}/logout`,
        jwks_uri: `${wire.origin}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['pairwise'],
        id_token_signing_alg_values_supported: ['RS256'],
      },
    };
  });
  return Object.assign(wire, {
    issuer,
    /** Signs an ID token; `forged` with a key that is not Entra's. */
    idToken: (claims: JWTPayload, forged = false) =>
      new SignJWT({ iss: issuer(), aud: clientId, sub: 'pairwise', ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'JWT' })
        .setIssuedAt()
        .setExpirationTime(claims.exp ?? '1h')
        .sign((forged ? strangerKeys : entraKeys).privateKey),
  });
}

type Entra = Awaited<ReturnType<typeof openEntra>>;
type Code = { redirectUri: string; nonce: string; challenge: string; claims: JWTPayload; forged: boolean };

/** The broker's wire: codes for sessions, sessions for tokens, their lives and ends. */
async function openBroker(entra: Entra) {
  const codes = new Map<string, Code>();
  const sessions = new Map<string, string>();
  /** Overrides the response of a path: how a test makes the broker refuse. */
  const responses = new Map<string, (form: URLSearchParams) => Reply | undefined>();
  const grants = {
    async authorization_code(form: URLSearchParams): Promise<Reply> {
      const code = codes.get(form.get('code') ?? '');
      codes.delete(form.get('code') ?? '');
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      const fits = code?.challenge === challenge && form.get('redirect_uri') === code.redirectUri;
      if (!code || !fits) return { status: 400, json: { error: 'invalid_grant' } };
      const token = `session-${randomBytes(8).toString('hex')}`;
      sessions.set(token, String(code.claims.sid));
      const id_token = await entra.idToken({ nonce: form.get('nonce') ?? '', ...code.claims }, code.forged);
      return { json: { access_token: token, token_type: 'Bearer', expires_in: 3_600, id_token } };
    },
    'urn:ietf:params:oauth:grant-type:token-exchange': (form: URLSearchParams): Reply =>
      sessions.has(form.get('subject_token') ?? '')
        ? { json: { access_token: `at-${form.get('claims') ?? 'plain'}`, token_type: 'Bearer', expires_in: 3_600 } }
        : { status: 400, json: { error: 'invalid_grant' } },
  };
  const wire = await openWire(async ({ path, body }) => {
    const form = new URLSearchParams(body);
    if (form.get('client_assertion') !== 'our-assertion') return { status: 401, json: { error: 'invalid_client' } };
    const own = responses.get(path)?.(form);
    if (own) return own;
    const token = form.get('token') ?? form.get('subject_token') ?? '';
    if (path === '/oauth2/introspect') return { json: sessions.has(token) ? lifetime() : { active: false } };
    if (path === '/oauth2/revoke') sessions.delete(token);
    if (path === '/sessions/end') {
      const sid = form.get('sid') ?? sessions.get(token);
      const ending = [...sessions].filter(([, own]) => own === sid);
      for (const [key] of ending) sessions.delete(key);
      return { json: { ended: ending.length } };
    }
    const grant = grants[form.get('grant_type') as keyof typeof grants];
    return path === '/oauth2/token' && grant ? grant(form) : {};
  });
  return Object.assign(wire, { codes, sessions, responses });
}

function lifetime() {
  const now = Math.floor(Date.now() / 1_000);
  return { active: true, sub: 's', iat: now, exp: now + 3_600, idle_exp: now + 3_600, absolute_exp: now + 36_000 };
}

type TestbedOptions = {
  /** As `PUBLIC_BASE_URLS`. */
  locations?: string[];
  sameSite?: 'lax' | 'strict';
  responseMode?: 'query' | 'form_post';
  apis?: (apiOrigin: string) => unknown;
  trustedProxies?: string[];
  publicRate?: { perSecond: number; burst: number };
  traceViewerUrl?: string;
  product?: Product;
  signInScopes?: string[];
  tenantId?: string;
  upstreams?: (apiOrigin: string, apis: string[]) => Upstream[];
  /** Entra is down from the start. */
  coldStart?: boolean;
};

export const apiScope = 'api://orders/access_as_user';

/** The app on a port of its own, between parties that the test plays. */
export async function openTestbed(options: TestbedOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const entra = opened.use(await openEntra());
  const broker = opened.use(await openBroker(entra));
  const api = opened.use(await openWire((received) => respondAsApi(received)));
  const routes = [{ methods: ['GET', 'HEAD', 'POST', 'DELETE'], path: '/*' }];
  const apis: Apis = apisSchema.parse(
    options.apis?.(api.origin) ?? { orders: { url: api.origin, scopes: [apiScope], routes } },
  );
  let respondAsApi: (received: Received) => Promise<Reply> | Reply = ({ headers }) => ({
    json: { authorization: headers.authorization },
  });
  const clock = { nowMs: Date.now() };
  const keys: { ring: KeyRing } = { ring: ringOf('a') };
  const lines: string[] = [];
  const config = {
    locations: options.locations ? Locations.of(options.locations) : Locations.one(publicBaseUrl),
    trustedProxies: options.trustedProxies ?? [],
    signInScopes: options.signInScopes ?? ['openid', 'profile', 'offline_access'],
    publicRate: options.publicRate ?? { perSecond: 1_000, burst: 1_000 },
    traceViewerUrl: options.traceViewerUrl,
    session: { sameSite: options.sameSite ?? 'lax' },
    entra: {
      authorityHost: entra.origin,
      tenantId: options.tenantId ?? tenantId,
      clientId,
      responseMode: options.responseMode ?? 'query',
    },
    broker: { url: broker.origin, assertionFile: 'unused' },
  } as const;
  const nowMs = () => clock.nowMs;
  entra.down = options.coldStart ?? false;
  const logger = createLogger({ level: 'trace', service: 'web-frontend' }, { write: (line) => void lines.push(line) });
  const parties = connect({ config, assertion: async () => 'our-assertion', logger, nowMs });
  const pauses: (() => void)[] = [];
  const pause = () => new Promise<void>((resolve) => pauses.push(resolve));
  const revocation = new SessionRevocation({ broker: parties.broker, logger, nowMs, pause });
  const deps = { config, apis, ...parties, revocation, keys: () => keys.ring, logger, nowMs };
  const product = options.product ?? { name: 'Onbehalf' };
  const upstreams = options.upstreams?.(api.origin, Object.keys(apis)) ?? [];
  const { app, front } = createFrontend({ ...deps, product, upstreams });
  const server = opened.use(
    await serve(front.listener(app), { port: 0, host: '127.0.0.1', drainMs: 0, upgrades: front.upgrades }),
  );
  opened.use(front);
  const owned = opened.move();
  return {
    /** The paths that signing in brings. */
    routes: createHandlers(deps).routes,
    ...{ app, front, revocation, entra, broker, api, clock, keys, pauses, port: server.port },
    /** Everything that was logged. */
    logs: () => lines.join(''),
    setApiResponse: (response: typeof respondAsApi) => {
      respondAsApi = response;
    },
    browser: () => new Browser(server.port),
    /** Entra's side of a visit: the person agrees, and Entra sends the browser back with these parameters. */
    visit(location: string, { claims = alice as JWTPayload, forged = false } = {}): URLSearchParams {
      const asked = new URL(location).searchParams;
      const code = randomBytes(8).toString('hex');
      const challenge = asked.get('code_challenge') ?? '';
      const redirectUri = asked.get('redirect_uri') ?? '';
      broker.codes.set(code, { redirectUri, nonce: asked.get('nonce') ?? '', challenge, claims, forged });
      const info = Buffer.from(JSON.stringify({ uid: claims.oid, utid: claims.tid })).toString('base64url');
      const asksForInfo = asked.get('client_info') === '1';
      const state = asked.get('state') ?? '';
      return new URLSearchParams({ code, state, session_state: 'x', ...(asksForInfo && { client_info: info }) });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type Testbed = Awaited<ReturnType<typeof openTestbed>>;

/** A ring whose current key is this one; the keys of an id are always the same. */
export function ringOf(current: string, ...others: string[]): KeyRing {
  const key = (id: string) => createSecretKey(createHash('sha256').update(id).digest());
  return { current, keys: new Map([current, ...others].map((id) => [id, key(id)])) };
}

/** Text of so many characters that no compression makes shorter. */
export const incompressible = (length: number): string => randomBytes(length).toString('base64url').slice(0, length);

type Sent = { method?: string; headers?: Record<string, string>; body?: string; cookies?: boolean };
export type BrowserResponse = {
  status: number;
  headers: Headers;
  body: string;
  location: string;
  setCookies: string[];
};

type Init = { method: string; headers: Record<string, string>; body?: string };

/** `fetch` for a `Host` of one's own, which the real one replaces. */
async function fetchFromHost(url: string, { method, headers, body = '' }: Init): Promise<Response> {
  const length = String(Buffer.byteLength(body));
  const outgoing = request(url, { method, headers: { ...headers, 'content-length': length } }).end(body);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const pairs = Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  return new Response(await text(incoming), { status: incoming.statusCode ?? 0, headers: pairs });
}

/** As much of a browser as the tests need: it keeps cookies and follows nothing. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async send(
    path: string,
    { method = 'GET', headers = {}, body, cookies = true }: Sent = {},
  ): Promise<BrowserResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const ask = headers.host === undefined ? fetch : fetchFromHost;
    const response = await ask(`http://127.0.0.1:${this.#port}${path}`, {
      method,
      redirect: 'manual',
      headers: { accept: 'text/html', ...(cookies && cookie && { cookie }), ...headers },
      ...(body !== undefined && { body }),
    });
    const setCookies = response.headers.getSetCookie();
    if (cookies) for (const line of setCookies) this.#keep(line);
    const location = response.headers.get('location') ?? '';
    return { status: response.status, headers: response.headers, body: await response.text(), location, setCookies };
  }

  /** A form of one of our pages. */
  submit(path: string, fields: Record<string, string> = {}): Promise<BrowserResponse> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: publicBaseUrl };
    return this.send(path, { method: 'POST', headers, body: new URLSearchParams(fields).toString() });
  }

  /** A script of one of our pages. */
  script(path: string, sent: Sent = {}): Promise<BrowserResponse> {
    return this.send(path, { ...sent, headers: { accept: '*/*', 'x-csrf': '1', ...sent.headers } });
  }

  #keep(line: string): void {
    const [pair = ''] = line.split(';');
    const name = pair.slice(0, pair.indexOf('='));
    const expires = /Expires=([^;]+)/i.exec(line)?.[1];
    if (expires && Date.parse(expires) < Date.now()) this.cookies.delete(name);
    else this.cookies.set(name, pair.slice(name.length + 1));
  }
}

/** Where a browser goes on to: by a redirect, or by a page that leads on. */
export function leadsTo({ location, body }: BrowserResponse): string {
  const [, page = ''] = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(body) ?? [];
  return location || page.replaceAll('&amp;', '&').replaceAll('&#39;', "'");
}

/** Signs a person in and gives the response of the callback. */
export async function signIn(
  testbed: Testbed,
  browser: Browser,
  path = '/sign-in',
  visit = {},
): Promise<BrowserResponse> {
  const { location } = await browser.send(path);
  return browser.send(`/auth/callback?${testbed.visit(location, visit)}`);
}
