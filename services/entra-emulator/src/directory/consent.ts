import type { Directory } from './directory.ts';
import { parseScope, type RequestedScopes } from './scopes.ts';
import type { App, Seed, User } from './seed.ts';

/** One permission of an API for a client. */
export type Permission = { client: App; resource: App; name: string };

/** The consents: of a user, of an administrator for all, or because the API trusts the client. */
export class Consents {
  readonly #directory: Directory;
  readonly #graph: App;
  /** The names of granted scopes by user, client and resource. */
  readonly #granted = new Map<string, Set<string>>();

  /** @throws Error if the seed names an unknown app. */
  constructor(directory: Directory, seed: Seed['consents']) {
    this.#directory = directory;
    this.#graph = directory.findApp('https://graph.microsoft.com') as App;
    for (const entry of seed) this.#grantAll(entry);
  }

  #grantAll({ user: pattern, client: id, scopes }: Seed['consents'][number]): void {
    const client = this.#directory.findApp(id);
    if (!client) throw new Error(`The seed's consents name ${id}, which is no app`);
    const matches = ({ upn }: User) => (pattern.endsWith('*') ? upn.startsWith(pattern.slice(0, -1)) : upn === pattern);
    for (const [resource, names] of parseScope(this.#directory, scopes.join(' '), undefined).resources)
      for (const user of this.#directory.users.filter(matches))
        for (const name of names) this.grant(user, { client, resource, name });
  }

  has(user: User, { client, resource, name }: Permission): boolean {
    const trusts = ({ client: id, scopes }: App['preAuthorized'][number]) =>
      this.#directory.findApp(id) === client && scopes.includes(name);
    return (
      this.#granted.get(toKey(user, client, resource))?.has(name) ||
      client.adminConsent.includes(`${resource.identifierUri ?? resource.appId}/${name}`) ||
      resource.preAuthorized.some(trusts)
    );
  }

  grant(user: User, { client, resource, name }: Permission): void {
    const key = toKey(user, client, resource);
    const names = this.#granted.get(key) ?? new Set<string>();
    this.#granted.set(key, names.add(name));
  }

  /** Every permission that a sign-in asks for. */
  permissions(client: App, { oidc, resources }: RequestedScopes): Permission[] {
    return [
      ...oidc.map((name) => ({ client, resource: this.#graph, name })),
      ...[...resources].flatMap(([resource, names]) => names.flatMap((name) => this.#expand(client, resource, name))),
    ];
  }

  /** `.default` written out; for an API that knows the client, with what that API needs itself. */
  #expand(client: App, resource: App, name: string): Permission[] {
    if (name !== '.default') return [{ client, resource, name }];
    const known = resource.knownClientApplications.some((id) => this.#directory.findApp(id) === client);
    return [...this.#required(client, resource), ...(known ? this.#required(resource) : [])];
  }

  /** What a registration asks for, of one resource or of all. */
  #required(client: App, only?: App): Permission[] {
    return [...parseScope(this.#directory, client.requiredScopes.join(' '), undefined).resources]
      .filter(([resource]) => !only || resource === only)
      .flatMap(([resource, names]) => names.map((name) => ({ client, resource, name })));
  }

  /** The `scp` of a token: the requested names, or for `.default` all with consent; undefined if one has none. */
  scp(user: User, client: App, resource: App, names: string[]): string[] | undefined {
    const wanted = names.filter((name) => name !== '.default');
    if (!wanted.every((name) => this.has(user, { client, resource, name }))) return undefined;
    if (wanted.length === names.length) return wanted;
    const all = resource.scopes
      .map(({ value: name }) => name)
      .filter((name) => this.has(user, { client, resource, name }));
    return all.length > 0 ? [...new Set([...all, ...wanted])] : undefined;
  }

  /** Forgets consents: all, or those of a user, of a client. */
  forget({ user, client }: { user?: User | undefined; client?: App | undefined }): void {
    for (const key of this.#granted.keys()) {
      const [oid, appId] = key.split(' ');
      if ((!user || user.oid === oid) && (!client || client.appId === appId)) this.#granted.delete(key);
    }
  }
}

function toKey({ oid }: User, client: App, resource: App): string {
  return `${oid} ${client.appId} ${resource.appId}`;
}
