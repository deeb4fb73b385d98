import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type appSchema, builtInSeed, type Seed, seedSchema, type userSchema } from './seed.ts';

type UserInput = z.input<typeof userSchema>;
type AppInput = z.input<typeof appSchema>;

/** Somebody of the first tenant, by the seed's own words. All but `upn`, such as `erin@contoso.test`, may be left out. */
export type PersonOptions = Pick<UserInput, 'upn'> & Partial<UserInput>;

/** An app registration of the first tenant, by the seed's own words. All but `name` may be left out. */
export type ClientOptions = Pick<AppInput, 'name'> & Partial<AppInput>;

export type OwnOptions = {
  /** In place of the built-in seed. */
  seed?: unknown;
  /** In place of the seed's people. */
  people?: PersonOptions[];
  /** Beside the seed's apps, or in place of the one of the same name. */
  clients?: ClientOptions[];
  /** Further redirect URIs of the seed's app `web`. */
  redirectUris?: string[];
};

/** A seed with people, clients and redirect URIs of one's own. @throws ZodError for what is none. */
export function ownSeed({ seed = builtInSeed, people, clients = [], redirectUris = [] }: OwnOptions): Seed {
  const usual = seedSchema.parse(seed);
  const tid = usual.tenants[0]?.tid ?? '';
  const isOwn = ({ name }: { name: string }) => clients.some((client) => client.name === name);
  const kept = usual.apps
    .filter((app) => !isOwn(app))
    .map((app) => (app.name === 'web' ? { ...app, redirectUris: [...app.redirectUris, ...redirectUris] } : app));
  const users = people?.map(({ upn, ...more }) => ({ oid: guidOf(upn), tid, name: upn.split('@')[0], upn, ...more }));
  const own = clients.map(({ name, ...more }) => ({
    ...{ name, displayName: name, appId: guidOf(name), spId: guidOf(`${name} principal`), tid },
    ...more,
  }));
  return seedSchema.parse({ ...usual, users: users ?? usual.users, apps: [...kept, ...own] });
}

/** An id that is the same whenever the name is. */
function guidOf(name: string): string {
  const [a, b, c, d, e] = /(.{8})(.{4})(.{3})(.{3})(.{12})/.exec(digest(name))?.slice(1) ?? [];
  return `${a}-${b}-4${c}-8${d}-${e}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
