import { fetchClient, isDocumentUrl } from '../directory/client-documents.ts';
import * as pages from '../pages/pages.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Call, type HttpResponse, json, readCookie, readParameters, refuse } from '../requests/call.ts';
import { opaque } from '../tokens/jwt.ts';
import type { World } from '../world.ts';
import { configuration, instance, keys } from './discovery.ts';
import { me, userinfo } from './graph.ts';
import { logout } from './logout.ts';
import { Authorize } from './sign-in/authorize.ts';
import { DeviceLogin } from './sign-in/device.ts';
import { token } from './token/token.ts';

type Handler = (call: Call, segment: string) => HttpResponse | Promise<HttpResponse>;
type Route = { name: string; methods: string[]; path: RegExp; handle: Handler; asPage?: boolean };

/** Pages of other origins may read these, as with Entra; a sign-in is a navigation. */
const sharedRoutes = ['token', 'configuration', 'keys', 'instance', 'userinfo', 'me'];

const cookieName = 'entra_emulator_sso';
const getOrPost = ['GET', 'POST'];

/** Every endpoint of Entra that is emulated: from a call to a response, without a socket. */
export class Protocol {
  readonly #world: World;
  readonly #authorize: Authorize;
  readonly #device: DeviceLogin;
  readonly #routes: Route[];

  constructor(world: World) {
    this.#world = world;
    this.#authorize = new Authorize(world);
    this.#device = new DeviceLogin(world, this.#authorize);
    this.#routes = [...this.#tenantRoutes(), ...this.#otherRoutes()];
  }

  /** The endpoint's name, as counters and the log have it. */
  endpointName(path: string): string {
    return this.#find(path)?.name ?? 'unmatched';
  }

  /** The response with the header that lets pages of other origins read it. Fetch standard, section 3.3. */
  share(path: string, response: HttpResponse): HttpResponse {
    if (!sharedRoutes.includes(this.#find(path)?.name ?? '')) return response;
    return { ...response, headers: { ...response.headers, 'Access-Control-Allow-Origin': '*' } };
  }

  async handle(call: Call): Promise<HttpResponse> {
    const match = this.#find(call.path);
    if (!match) return json(404, { error: 'not_found' });
    if (call.method === 'OPTIONS' && sharedRoutes.includes(match.name)) return preflight(match, call);
    if (!match.methods.includes(call.method)) {
      return json(405, { error: 'method_not_allowed' }, { Allow: match.methods.join(', ') });
    }
    try {
      return await match.handle(call, match.path.exec(call.path)?.[1] ?? '');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return match.asPage ? pages.problem(error, call.ids) : refuse(error, call.ids, this.#world.origin);
    }
  }

  #find(path: string): Route | undefined {
    return this.#routes.find((candidate) => candidate.path.test(path));
  }

  #tenantRoutes(): Route[] {
    const world = this.#world;
    const authorize: Handler = async (call, segment) => {
      await registerClient(world, segment, call);
      return this.#withBrowser(call, (browser) => this.#authorize.begin(segment, browser, call));
    };
    const step: Handler = (call) => this.#authorize.step(readCookie(call, cookieName), call);
    const signOut: Handler = (call, segment) => logout(world, segment, readCookie(call, cookieName), call);
    return [
      ofTenant('token', ['POST'], '/oauth2/v2.0/token', (call, segment) => token(world, segment, call)),
      ofTenant('configuration', ['GET'], '/v2.0/.well-known/openid-configuration', (_, it) => configuration(world, it)),
      ofTenant('keys', ['GET'], '/discovery/v2.0/keys', (_, segment) => keys(world, segment)),
      ofTenant('authorize', getOrPost, '/oauth2/v2.0/authorize', authorize, true),
      ofTenant('step', ['POST'], '/oauth2/v2.0/authorize/step', step, true),
      ofTenant('devicecode', ['POST'], '/oauth2/v2.0/devicecode', (call, it) => this.#device.begin(it, call)),
      ofTenant('logout', getOrPost, '/oauth2/v2.0/logout', signOut, true),
    ];
  }

  #otherRoutes(): Route[] {
    const world = this.#world;
    const enter: Handler = (call) => this.#withBrowser(call, (browser) => this.#device.enter(browser, call));
    return [
      { name: 'devicelogin', methods: getOrPost, path: /^\/devicelogin$/, handle: enter, asPage: true },
      { name: 'instance', methods: ['GET'], path: /^\/common\/discovery\/instance$/, handle: () => instance(world) },
      { name: 'userinfo', methods: getOrPost, path: /^\/oidc\/userinfo$/, handle: (call) => userinfo(world, call) },
      { name: 'me', methods: ['GET'], path: /^\/v1\.0\/me$/, handle: (call) => me(world, call) },
      { name: 'readyz', methods: ['GET'], path: /^\/readyz$/, handle: () => ({ status: 200, body: 'ready\n' }) },
    ];
  }

  /** Names a browser by a cookie; a new browser gets one with the response. */
  #withBrowser(call: Call, work: (browser: string) => HttpResponse): HttpResponse {
    const known = readCookie(call, cookieName);
    const browser = known ?? opaque();
    const response = work(browser);
    if (known) return response;
    const flags = call.secure ? 'SameSite=None; Secure' : 'SameSite=Lax';
    const cookie = `${cookieName}=${browser}; Path=/; HttpOnly; Max-Age=${this.#world.lifetimes.sso}; ${flags}`;
    return { ...response, headers: { ...response.headers, 'Set-Cookie': cookie } };
  }
}

/** A client that is known by a document is read anew with each sign-in. @throws Refusal 90002, 700016, 700038. */
async function registerClient({ directory }: World, segment: string, call: Call): Promise<void> {
  const clientId = readParameters(call).get('client_id') ?? '';
  const { tenant = directory.tenants[0] } = directory.realm(segment);
  if (isDocumentUrl(clientId) && tenant) directory.register(await fetchClient(clientId, tenant.tid));
}

/** Allows a page to send what it asks for. Fetch standard, section 3.3.2. */
function preflight({ methods }: Route, { headers }: Call): HttpResponse {
  const requested = headers['access-control-request-headers'];
  return {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': [...methods, 'OPTIONS'].join(', '),
      ...(requested && { 'Access-Control-Allow-Headers': requested }),
      'Access-Control-Max-Age': '86400',
    },
    outcome: 'ok',
  };
}

/** A route of a tenant: its first segment is the tenant's id, domain, `common` or `organizations`. */
function ofTenant(name: string, methods: string[], rest: string, handle: Handler, asPage = false): Route {
  return { name, methods, path: new RegExp(`^/([^/]+)${rest.replaceAll('.', '\\.')}$`), handle, asPage };
}
