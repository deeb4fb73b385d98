import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parseScope } from '../../directory/scopes.ts';
import type { Call } from '../../requests/call.ts';
import type { Claims } from '../../tokens/jwt.ts';
import type { World } from '../../world.ts';
import { mintFor } from '../token/user-tokens.ts';
import { Conflict, findApp, readBody } from './inputs.ts';

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

/** A token with any claims, header and key. @throws Conflict if no key is retired. */
export async function mint(world: World, call: Call): Promise<{ token: string }> {
  return { token: await forge(world, mintSchema.parse(readBody(call))) };
}

/** The same, by what is parsed already. @throws Conflict if no key is retired. */
export async function forge(world: World, { claims, header, key }: z.output<typeof mintSchema>): Promise<string> {
  const token = await world.keys.forge(withDefaults(world, claims), header, key);
  if (!token) throw new Conflict('no key is retired');
  return token;
}

/** Signs tokens before they are requested; with `signing: load` the token endpoint then gives these. */
export function fillPool(world: World, call: Call): { users: number } {
  const { client: id, scope, prefix, n, azpacr, claims } = poolSchema.parse(readBody(call));
  const { directory, state, now } = world;
  const client = findApp(world, id);
  const requested = parseScope(directory, scope, client.tid);
  const users = directory.users.filter(({ upn }) => upn.startsWith(prefix)).slice(0, n);
  for (const user of users) {
    const signIn = { sid: randomUUID(), authTime: now(), acrs: [], mfa: false, family: '', platform: 'web' as const };
    const grant = { client, user, tid: user.tid, ...signIn, generation: state.generation(user) };
    mintFor(world, grant, requested, { azpacr, claims, hold: true });
  }
  return { users: users.length };
}

/** A minted token is valid unless its claims say otherwise: the issuer of its `tid`, one hour. */
function withDefaults({ issuerFor, directory, now }: World, claims: Claims): Claims {
  const iat = Math.floor(now());
  const tid = claims.tid ?? directory.tenants[0]?.tid;
  return { iss: issuerFor(String(tid)), iat, nbf: iat, exp: iat + 3_600, tid, ver: '2.0', ...claims };
}
