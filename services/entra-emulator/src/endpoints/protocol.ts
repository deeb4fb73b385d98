import * as pages from '../pages/pages.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Answer, type Call, cookieOf, json, refuse } from '../requests/call.ts';
import { opaque } from '../tokens/keys.ts';
import type { World } from '../world.ts';
import { createAuthorize } from './authorize.ts';
import { createDevice } from './device.ts';
import { configuration, instance, keys } from './discovery.ts';
import { me, userinfo } from './graph.ts';
import { logout } from './logout.ts';
import { token } from './token.ts';

type Handler = (call: Call, segment: string) => Answer | Promise<Answer>;
type Route = { name: string; methods: string[]; path: RegExp; handle: Handler; asPage?: boolean };

/** What pages of other origins may read, as with Entra; who signs in goes there by navigation. */
const sharedRoutes = ['token', 'configuration', 'keys', 'instance', 'userinfo', 'me'];

const cookieName = 'entra_emulator_sso';

/** Every endpoint of Entra that is emulated: a pure function from a call to an answer. */
export type Protocol = ReturnType<typeof createProtocol>;

export function createProtocol(world: World) {
  const authorize = createAuthorize(world);
  const device = createDevice(world, authorize);

  const withBrowser = (call: Call, work: (browser: string) => Answer): Answer => {
    const known = cookieOf(call, cookieName);
    const browser = known ?? opaque();
    const answer = work(browser);
    if (known) return answer;
    const flags = call.secure ? 'SameSite=None; Secure' : 'SameSite=Lax';
    const cookie = `${cookieName}=${browser}; Path=/; HttpOnly; Max-Age=${world.lifetimes.sso}; ${flags}`;
    return { ...answer, headers: { ...answer.headers, 'Set-Cookie': cookie } };
  };

  const routes: Route[] = [
    route('token', ['POST'], '/oauth2/v2.0/token', (call, segment) => token(world, segment, call)),
    route('configuration', ['GET'], '/v2.0/.well-known/openid-configuration', (_, it) => configuration(world, it)),
    route('keys', ['GET'], '/discovery/v2.0/keys', (_, segment) => keys(world, segment)),
    route(
      'authorize',
      ['GET', 'POST'],
      '/oauth2/v2.0/authorize',
      (call, segment) => withBrowser(call, (browser) => authorize.begin(segment, browser, call)),
      true,
    ),
    route(
      'step',
      ['POST'],
      '/oauth2/v2.0/authorize/step',
      (call) => authorize.step(cookieOf(call, cookieName), call),
      true,
    ),
    route('devicecode', ['POST'], '/oauth2/v2.0/devicecode', (call, segment) => device.begin(segment, call)),
    {
      ...{ name: 'devicelogin', methods: ['GET', 'POST'], path: /^\/devicelogin$/, asPage: true },
      handle: (call) => withBrowser(call, (browser) => device.enter(browser, call)),
    },
    route(
      'logout',
      ['GET', 'POST'],
      '/oauth2/v2.0/logout',
      (call, segment) => logout(world, segment, cookieOf(call, cookieName), call),
      true,
    ),
    { name: 'instance', methods: ['GET'], path: /^\/common\/discovery\/instance$/, handle: () => instance(world) },
    { name: 'userinfo', methods: ['GET', 'POST'], path: /^\/oidc\/userinfo$/, handle: (call) => userinfo(world, call) },
    { name: 'me', methods: ['GET'], path: /^\/v1\.0\/me$/, handle: (call) => me(world, call) },
    { name: 'readyz', methods: ['GET'], path: /^\/readyz$/, handle: () => ({ status: 200, body: 'ready\n' }) },
  ];
  const find = (path: string) => routes.find((candidate) => candidate.path.test(path));

  return {
    /** The endpoint's name, as counters and the log have it. */
    endpointOf: (path: string): string => find(path)?.name ?? 'unmatched',
    /** An answer as pages of other origins may read it, whatever it says. Fetch standard, section 3.3. */
    share(path: string, answer: Answer): Answer {
      if (!sharedRoutes.includes(find(path)?.name ?? '')) return answer;
      return { ...answer, headers: { ...answer.headers, 'Access-Control-Allow-Origin': '*' } };
    },
    async handle(call: Call): Promise<Answer> {
      const match = find(call.path);
      if (!match) return json(404, { error: 'not_found' });
      if (call.method === 'OPTIONS' && sharedRoutes.includes(match.name)) return preflight(match, call);
      if (!match.methods.includes(call.method)) {
        return json(405, { error: 'method_not_allowed' }, { Allow: match.methods.join(', ') });
      }
      try {
        return await match.handle(call, match.path.exec(call.path)?.[1] ?? '');
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return match.asPage ? pages.problem(error, call.ids) : refuse(error, call.ids, world.origin);
      }
    },
  };
}

/** Says yes to what a page means to send. */
function preflight({ methods }: Route, { headers }: Call): Answer {
  const asked = headers['access-control-request-headers'];
  return {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': [...methods, 'OPTIONS'].join(', '),
      ...(asked && { 'Access-Control-Allow-Headers': asked }),
      'Access-Control-Max-Age': '86400',
    },
    outcome: 'ok',
  };
}

/** A route of a tenant: its first segment is the tenant's id, domain, `common` or `organizations`. */
function route(name: string, methods: string[], rest: string, handle: Handler, asPage = false): Route {
  return { name, methods, path: new RegExp(`^/([^/]+)${rest.replaceAll('.', '\\.')}$`), handle, asPage };
}
