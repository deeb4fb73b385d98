import { z } from 'zod';
import { lifetimesSchema } from '../../lifetimes.ts';
import type { Call } from '../../requests/call.ts';
import { defaultSwitches } from '../../tokens/state.ts';
import type { World } from '../../world.ts';
import type { Dispatch } from '../dispatch.ts';
import { injectedFaultSchema } from '../injected-faults.ts';
import { Conflict, findApp, findUser, readBody, readObject } from './inputs.ts';
import { fillPool, mint } from './mint.ts';

/** Gives the JSON of the response; undefined is 204. `name` is the user or app of the path. */
export type AdminRoute = (dispatch: Dispatch, call: Call, name: string) => unknown;

const clockSchema = z.strictObject({ offsetSeconds: z.number() });
const interactionSchema = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('page') }),
  z.strictObject({ mode: z.literal('auto'), user: z.string() }),
]);
const switchesSchema = z
  .strictObject(Object.fromEntries(Object.keys(defaultSwitches).map((name) => [name, z.boolean()])))
  .partial();

const observation: Record<string, AdminRoute> = {
  'GET /state': ({ world }) => describe(world),
  'GET /counters': ({ counters }) => counters.read(),
  'DELETE /counters': ({ counters }) => counters.clear(),
  'GET /requests': ({ counters }, { query }) => counters.since(Number(query.get('since') ?? 0)),
};

const behaviour: Record<string, AdminRoute> = {
  'GET /faults': ({ faults }) => faults.list(),
  'PUT /faults': ({ faults }, call) => faults.set(z.array(injectedFaultSchema).parse(readBody(call))),
  'DELETE /faults': ({ faults }) => faults.set([]),
  'PUT /clock': ({ world }, call) => Object.assign(world.clock, clockSchema.parse(readBody(call))),
  'PUT /lifetimes': ({ world }, call) =>
    Object.assign(world.lifetimes, lifetimesSchema.parse({ ...world.lifetimes, ...readObject(call) })),
  'PUT /switches': ({ world }, call) => Object.assign(world.state.switches, switchesSchema.parse(readBody(call))),
  'PUT /interaction': ({ world }, call) => {
    world.interaction = interactionSchema.parse(readBody(call));
  },
};

const tokens: Record<string, AdminRoute> = {
  'POST /keys/stage': ({ world }) => world.keys.stage(),
  'POST /keys/activate': ({ world }) => {
    if (!world.keys.activate()) throw new Conflict('no key is staged');
  },
  'POST /keys/retire': ({ world }) => world.keys.retire(),
  'POST /mint': ({ world }, call) => mint(world, call),
  'POST /pool': ({ world }, call) => fillPool(world, call),
};

const directory: Record<string, AdminRoute> = {
  'POST /users/*/revoke': ({ world }, _, name) => world.state.revoke(findUser(world, name)),
  'POST /users/*/disable': ({ world }, _, name) => {
    findUser(world, name).disabled = true;
  },
  'POST /users/*/enable': ({ world }, _, name) => {
    findUser(world, name).disabled = false;
  },
  'PATCH /apps/*': ({ world }, call, name) => world.directory.patchApp(findApp(world, name), readObject(call)),
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
};

/** By method and path, `*` for the name of a user or an app. `POST /reset` is the admin's own. */
export const routes: Readonly<Record<string, AdminRoute>> = { ...observation, ...behaviour, ...tokens, ...directory };

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
