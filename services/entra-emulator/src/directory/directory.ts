import { Refusal } from '../requests/aadsts.ts';
import { type App, appSchema, generatedUsers, type Seed, type Tenant } from './seed.ts';

/** Tenants whose tokens are for any organization. */
const shared = ['common', 'organizations'];
const guidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The tenant segment of a URL: one tenant, or any (`common`, `organizations`). */
export type Realm = { segment: string; tenant: Tenant | undefined };

/** The seed as it stands now: tenants, people, applications, consents. */
export type Directory = ReturnType<typeof createDirectory>;

export function createDirectory(seed: Seed) {
  const { tenants } = seed;
  const tenantOf = (name: string) =>
    tenants.find(({ tid, domain }) => tid === name.toLowerCase() || domain === name.toLowerCase());
  const home = <T extends { tid: string }>(item: T): T => ({ ...item, tid: tenantOf(item.tid)?.tid ?? item.tid });
  const users = [...seed.users, ...generatedUsers(seed)].map(home);
  const usersByOid = new Map(users.map((user) => [user.oid, user]));
  const usersByUpn = new Map(users.map((user) => [user.upn.toLowerCase(), user]));
  const apps = seed.apps.map(home);

  /** An app by its name, id or identifier URI. */
  const findApp = (id: string): App | undefined =>
    apps.find((app) => app.name === id || app.appId === id.toLowerCase() || app.identifierUri === id);

  return {
    tenants,
    users,
    apps,
    findApp,
    /** @throws Refusal 90002. */
    realm(segment: string): Realm {
      const tenant = tenantOf(segment);
      if (!tenant && !shared.includes(segment)) throw new Refusal(90002, { tenant: segment });
      return { segment, tenant };
    },
    /** The client `appId` as this realm knows it. @throws Refusal 700038, 700016, 50194. */
    client(appId: string, { tenant, segment }: Realm): App {
      if (!guidShape.test(appId)) throw new Refusal(700038, { client: appId });
      const app = apps.find((candidate) => candidate.appId === appId.toLowerCase());
      if (!app || (tenant && !isIn(app, tenant.tid))) throw new Refusal(700016, { client: appId, tenant: segment });
      if (!tenant && app.signInAudience === 'AzureADMyOrg') throw new Refusal(50194, { client: appId });
      return app;
    },
    isIn,
    user: (oid: string) => usersByOid.get(oid),
    userByUpn: (upn: string) => usersByUpn.get(upn.toLowerCase()),
    /** Changes a registration; what is wrong with it is a ZodError. */
    patchApp(app: App, patch: object): App {
      return Object.assign(app, home(appSchema.parse({ ...app, ...patch })));
    },
  };
}

function isIn(app: App, tid: string): boolean {
  return app.tid === tid || app.signInAudience === 'AzureADMultipleOrgs';
}
