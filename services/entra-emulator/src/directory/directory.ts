import { Refusal } from '../requests/aadsts.ts';
import { isDocumentUrl } from './client-documents.ts';
import { type App, appSchema, generatedUsers, type Seed, type Tenant, type User } from './seed.ts';

/** Segments that stand for any organization. */
const shared = ['common', 'organizations'];
const guidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The tenant segment of a URL: one tenant, or any (`common`, `organizations`). */
export type Realm = { segment: string; tenant: Tenant | undefined };

/** The seed as it stands now: tenants, people, applications. */
export class Directory {
  readonly tenants: Tenant[];
  readonly users: User[];
  readonly apps: App[];
  readonly #usersByOid: Map<string, User>;
  readonly #usersByUpn: Map<string, User>;

  constructor(seed: Seed) {
    this.tenants = seed.tenants;
    this.users = [...seed.users, ...generatedUsers(seed)].map((user) => this.#withTenantId(user));
    this.apps = seed.apps.map((app) => this.#withTenantId(app));
    this.#usersByOid = new Map(this.users.map((user) => [user.oid, user]));
    this.#usersByUpn = new Map(this.users.map((user) => [user.upn.toLowerCase(), user]));
  }

  /** A copy whose `tid` is the id, where the seed may have the domain. */
  #withTenantId<T extends { tid: string }>(item: T): T {
    return { ...item, tid: this.#findTenant(item.tid)?.tid ?? item.tid };
  }

  #findTenant(name: string): Tenant | undefined {
    const lower = name.toLowerCase();
    return this.tenants.find(({ tid, domain }) => tid === lower || domain === lower);
  }

  /** An app by its name, id or identifier URI. */
  findApp(id: string): App | undefined {
    return this.apps.find((app) => app.name === id || app.appId === id.toLowerCase() || app.identifierUri === id);
  }

  /** @throws Refusal 90002. */
  realm(segment: string): Realm {
    const tenant = this.#findTenant(segment);
    if (!tenant && !shared.includes(segment)) throw new Refusal(90002, { tenant: segment });
    return { segment, tenant };
  }

  /** The client as this realm knows it, by its id or its document's URL. @throws Refusal 700038, 700016, 50194, 7000112. */
  client(appId: string, { tenant, segment }: Realm): App {
    const byDocument = isDocumentUrl(appId);
    if (!byDocument && !guidShape.test(appId)) throw new Refusal(700038, { client: appId });
    const isIt = ({ name, appId: id }: App) => (byDocument ? name === appId : id === appId.toLowerCase());
    const app = this.apps.find(isIt);
    if (!app || (tenant && !isIn(app, tenant.tid))) throw new Refusal(700016, { client: appId, tenant: segment });
    if (!tenant && app.signInAudience === 'AzureADMyOrg') throw new Refusal(50194, { client: appId });
    const blueprint = this.apps.find((candidate) => candidate.appId === app.agentIdentityBlueprintId);
    const disabled = [app, blueprint].find((each) => each?.accountEnabled === false);
    if (disabled) throw new Refusal(7000112, { client: disabled.appId, name: disabled.displayName });
    return app;
  }

  /** Takes the registration that a client published, in place of its former one: grants know the client by the object. */
  register(app: App): void {
    const known = this.apps.find(({ name }) => name === app.name);
    if (known) Object.assign(known, app);
    else this.apps.push(app);
  }

  user(oid: string): User | undefined {
    return this.#usersByOid.get(oid);
  }

  userByUpn(upn: string): User | undefined {
    return this.#usersByUpn.get(upn.toLowerCase());
  }

  /** Changes a registration. @throws ZodError if the result is no registration. */
  patchApp(app: App, patch: object): App {
    return Object.assign(app, this.#withTenantId(appSchema.parse({ ...app, ...patch })));
  }
}

/** Whether a tenant knows this app. */
export function isIn(app: App, tid: string): boolean {
  return app.tid === tid || app.signInAudience === 'AzureADMultipleOrgs';
}
