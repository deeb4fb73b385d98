import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parseScope } from '../directory/scopes.ts';
import { lifetimesSchema } from '../lifetimes.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Answer, type Call, json } from '../requests/call.ts';
import type { Claims } from '../tokens/keys.ts';
import { defaultSwitches } from '../tokens/state.ts';
import type { World } from '../world.ts';
import type { Dispatch } from './dispatch.ts';
import { faultSchema } from './faults.ts';
import { mintFor } from './grants.ts';

type Current = Dispatch & { world: World };
type Handle = (current: Current, call: Call, name: string) => unknown;

const clockSchema = z.strictObject({ offsetSeconds: z.number() });
const interactionSchema = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('page') }),
  z.strictObject({ mode: z.literal('auto'), user: z.string() }),
]);
const switchesSchema = z
  .strictObject(Object.fromEntries(Object.keys(defaultSwitches).map((name) => [name, z.boolean()])))
  .partial();
const mintSchema = z.strictObject({
  claims: z.record(z.string(), z.unknown()),
  header: z.record(z.string(), z.unknown()).default({}),
  key: z.enum(['active', 'retired', 'foreign']).default('active'),
});

const poolSchema = z.strictObject({
  client: z.string(),
  scope: z.string(),
  /** The beginning of the users' names, e.g. `load`. */
  prefix: z.string(),
  n: z.int().positive().optional(),
  azpacr: z.enum(['1', '2']).default('2'),
  claims: z.string().optional(),
});

/** Something of the seed is not there. */
class NotFound extends Error {}
/** The state does not allow it. */
class Conflict extends Error {}

/** The admin API, for tests and people who script trouble; JSON in and out. */
export function createAdmin(current: () => Current, reset: () => void): (call: Call) => Promise<Answer> {
  const routes: Record<string, Handle> = {
    'GET /state': ({ world }) => describe(world),
    'POST /reset': () => reset(),
    'GET /faults': ({ faults }) => faults.list(),
    'PUT /faults': ({ faults }, call) => faults.set(z.array(faultSchema).parse(bodyOf(call))),
    'DELETE /faults': ({ faults }) => faults.set([]),
    'GET /counters': ({ counters }) => counters.read(),
    'DELETE /counters': ({ counters }) => counters.clear(),
    'GET /requests': ({ counters }, { query }) => counters.since(Number(query.get('since') ?? 0)),
    'PUT /clock': ({ world }, call) => Object.assign(world.clock, clockSchema.parse(bodyOf(call))),
    'PUT /lifetimes': ({ world }, call) =>
      Object.assign(world.lifetimes, lifetimesSchema.parse({ ...world.lifetimes, ...objectOf(call) })),
    'PUT /switches': ({ world }, call) => Object.assign(world.state.switches, switchesSchema.parse(bodyOf(call))),
    'PUT /interaction': ({ world }, call) => {
      world.interaction = interactionSchema.parse(bodyOf(call));
    },
    'POST /keys/stage': ({ world }) => world.keys.stage(),
    'POST /keys/activate': ({ world }) => {
      if (!world.keys.activate()) throw new Conflict('no key is staged');
    },
    'POST /keys/retire': ({ world }) => world.keys.retire(),
    'POST /users/*/revoke': ({ world }, _, name) => world.state.revoke(findUser(world, name)),
    'POST /users/*/disable': ({ world }, _, name) => {
      findUser(world, name).disabled = true;
    },
    'POST /users/*/enable': ({ world }, _, name) => {
      findUser(world, name).disabled = false;
    },
    'DELETE /consents': ({ world }, { query }) => {
      const [user, client] = [query.get('user'), query.get('client')];
      world.consents.forget({
        user: user ? findUser(world, user) : undefined,
        client: client ? findApp(world, client) : undefined,
      });
    },
    'DELETE /sessions': ({ world }, { query }) => {
      const user = query.get('user');
      const owner = user ? findUser(world, user) : undefined;
      world.state.endSessions((session) => !owner || session.user === owner);
    },
    'PATCH /apps/*': ({ world }, call, name) => world.directory.patchApp(findApp(world, name), objectOf(call)),
    'POST /mint': async ({ world }, call) => {
      const { claims, header, key } = mintSchema.parse(bodyOf(call));
      const token = await world.keys.forge(withDefaults(world, claims), header, key);
      if (!token) throw new Conflict('no key is retired');
      return { token };
    },
    'POST /pool': ({ world }, call) => fillPool(world, poolSchema.parse(bodyOf(call))),
  };

  return async (call) => {
    const [, name = ''] = /^\/(?:users|apps)\/([^/]+)/.exec(call.path) ?? [];
    const key = `${call.method} ${name ? call.path.replace(/^(\/\w+\/)[^/]+/, '$1*') : call.path}`;
    const handle = Object.hasOwn(routes, key) ? routes[key] : undefined;
    if (!handle) return json(404, { error: 'there is no such admin route' });
    try {
      const result = await handle(current(), call, name);
      return result === undefined ? { status: 204 } : json(200, result);
    } catch (error) {
      if (error instanceof z.ZodError) return json(400, { error: z.prettifyError(error) });
      if (error instanceof Refusal) return json(400, { error: error.message });
      if (error instanceof NotFound) return json(404, { error: error.message });
      if (error instanceof Conflict) return json(409, { error: error.message });
      throw error;
    }
  };
}

function describe({ origin, browserOrigin, directory, keys, clock, lifetimes, interaction, state }: World) {
  const tenants = directory.tenants.map(({ tid, domain }) => ({ tid, domain }));
  const apps = directory.apps.map(({ name, appId, identifierUri, redirectUris }) => ({
    name,
    appId,
    identifierUri,
    redirectUris,
  }));
  const users = directory.users.slice(0, 100).map(({ upn, oid, tid, disabled }) => ({ upn, oid, tid, disabled }));
  const { switches } = state;
  return { origin, browserOrigin, tenants, apps, users, keys: keys.list(), clock, lifetimes, interaction, switches };
}

/** Signs tokens ahead, to be given out when they are asked for; it takes `signing: load`. */
function fillPool(world: World, { client: id, scope, prefix, n, azpacr, claims }: z.output<typeof poolSchema>) {
  const { directory, state, now } = world;
  const client = findApp(world, id);
  const asked = parseScope(directory, scope, client.tid);
  const users = directory.users.filter(({ upn }) => upn.startsWith(prefix)).slice(0, n);
  for (const user of users) {
    const signIn = { sid: randomUUID(), authTime: now(), acrs: [], mfa: false, family: '', platform: 'web' as const };
    const grant = { client, user, tid: user.tid, ...signIn, generation: state.generationOf(user) };
    mintFor(world, grant, asked, { azpacr, claims, hold: true });
  }
  return { users: users.length };
}

/** A minted token is valid unless its claims say otherwise: the issuer of its `tid`, one hour. */
function withDefaults({ issuerOf, directory, now }: World, claims: Claims): Claims {
  const iat = Math.floor(now());
  const tid = claims.tid ?? directory.tenants[0]?.tid;
  return { iss: issuerOf(String(tid)), iat, nbf: iat, exp: iat + 3_600, tid, ver: '2.0', ...claims };
}

function bodyOf({ body }: Call): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new z.ZodError([{ code: 'custom', path: [], message: 'the body must be JSON', input: undefined }]);
  }
}

function objectOf(call: Call): object {
  return z.record(z.string(), z.unknown()).parse(bodyOf(call));
}

function findUser({ directory }: World, name: string) {
  const user = directory.userByUpn(name) ?? directory.user(name);
  if (!user) throw new NotFound('there is no such user');
  return user;
}

function findApp({ directory }: World, name: string) {
  const app = directory.findApp(name);
  if (!app) throw new NotFound('there is no such app');
  return app;
}
