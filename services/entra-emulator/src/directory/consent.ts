import type { Directory } from './directory.ts';
import { type Asked, parseScope } from './scopes.ts';
import type { App, Seed, User } from './seed.ts';

/** One permission of an API for a client. */
export type Permission = { client: App; resource: App; name: string };

/** Who consented to what: by user, by an administrator for all, or because the API trusts the client. */
export type Consents = ReturnType<typeof createConsents>;

export function createConsents(directory: Directory, seed: Seed['consents']) {
  const granted = new Map<string, Set<string>>();
  const key = (oid: string, client: App, resource: App) => `${oid} ${client.appId} ${resource.appId}`;
  const graph = directory.findApp('https://graph.microsoft.com') as App;

  const has = (user: User, { client, resource, name }: Permission) =>
    granted.get(key(user.oid, client, resource))?.has(name) ||
    client.adminConsent.includes(`${resource.identifierUri ?? resource.appId}/${name}`) ||
    resource.preAuthorized.some((entry) => directory.findApp(entry.client) === client && entry.scopes.includes(name));

  const grant = (user: User, { client, resource, name }: Permission) => {
    const names = granted.get(key(user.oid, client, resource)) ?? new Set<string>();
    granted.set(key(user.oid, client, resource), names.add(name));
  };

  /** What a registration asks for, of one resource or of all. */
  const required = (client: App, only?: App): Permission[] =>
    [...parseScope(directory, client.requiredScopes.join(' '), undefined).resources]
      .filter(([resource]) => !only || resource === only)
      .flatMap(([resource, names]) => names.map((name) => ({ client, resource, name })));

  /** `.default` written out; for an API that knows the client, with what that API needs itself. */
  const expand = (client: App, resource: App, name: string): Permission[] => {
    if (name !== '.default') return [{ client, resource, name }];
    const known = resource.knownClientApplications.some((id) => directory.findApp(id) === client);
    return [...required(client, resource), ...(known ? required(resource) : [])];
  };

  for (const { user: pattern, client: id, scopes } of seed) {
    const client = directory.findApp(id);
    const matches = ({ upn }: User) => (pattern.endsWith('*') ? upn.startsWith(pattern.slice(0, -1)) : upn === pattern);
    if (!client) throw new Error(`The seed's consents name ${id}, which is no app`);
    for (const [resource, names] of parseScope(directory, scopes.join(' '), undefined).resources)
      for (const user of directory.users.filter(matches))
        for (const name of names) grant(user, { client, resource, name });
  }

  return {
    has,
    grant,
    /** Every permission a sign-in asks for. */
    asked: (client: App, asked: Asked): Permission[] => [
      ...asked.oidc.map((name) => ({ client, resource: graph, name })),
      ...[...asked.resources].flatMap(([resource, names]) => names.flatMap((name) => expand(client, resource, name))),
    ],
    /** The `scp` of a token: the names as asked, or for `.default` all that are consented; undefined if one is missing. */
    scp(user: User, client: App, resource: App, names: string[]): string[] | undefined {
      const wanted = names.filter((name) => name !== '.default');
      if (!wanted.every((name) => has(user, { client, resource, name }))) return undefined;
      if (wanted.length === names.length) return wanted;
      const all = resource.scopes
        .map(({ value: name }) => name)
        .filter((name) => has(user, { client, resource, name }));
      return all.length > 0 ? [...new Set([...all, ...wanted])] : undefined;
    },
    /** Forgets consents, all or those of a user, a client. */
    forget({ user, client }: { user?: User | undefined; client?: App | undefined }) {
      for (const entry of granted.keys()) {
        const [oid, appId] = entry.split(' ');
        if ((!user || user.oid === oid) && (!client || client.appId === appId)) granted.delete(entry);
      }
    },
  };
}
