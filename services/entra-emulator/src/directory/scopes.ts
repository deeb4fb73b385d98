import { Refusal } from '../requests/aadsts.ts';
import { type Directory, isIn } from './directory.ts';
import type { App } from './seed.ts';

export const oidcScopes = ['openid', 'profile', 'email', 'offline_access'];
const graph = 'https://graph.microsoft.com';

/** Microsoft Graph owns the OpenID scopes and the bare names. */
export function isGraph(resource: App): boolean {
  return resource.identifierUri === graph;
}

/** What a `scope` parameter asks for. */
export type RequestedScopes = {
  /** The parameter as it came: the response repeats its words, because MSAL makes its cache key of them. */
  text: string;
  oidc: string[];
  /** Scope names by resource; `.default` stands for all that are consented. */
  resources: Map<App, string[]>;
};

/**
 * Reads `scope`: `<identifier URI or app id>/<name>`, a bare name is Graph's. Learn: "Scopes and permissions".
 * @throws Refusal 500011 for an unknown resource, 70011 for a scope it does not offer.
 */
export function parseScope(directory: Directory, text: string, tid: string | undefined): RequestedScopes {
  const requested: RequestedScopes = { text, oidc: [], resources: new Map() };
  for (const word of text.split(' ').filter(Boolean)) {
    if (oidcScopes.includes(word)) {
      requested.oidc.push(word);
      continue;
    }
    const slash = word.lastIndexOf('/');
    const id = slash < 0 ? graph : word.slice(0, slash).replace(/\/$/, '');
    const name = word.slice(slash + 1);
    const app = directory.findApp(id);
    // A scope names an app without an identifier URI by its id alone, never by its name in the seed.
    if (!app || app.name === id || (tid && !isIn(app, tid))) {
      throw new Refusal(500011, { resource: id, tenant: tid ?? 'common' });
    }
    if (name !== '.default' && !app.scopes.some(({ value }) => value === name)) {
      throw new Refusal(70011, { scope: word });
    }
    requested.resources.set(app, [...(requested.resources.get(app) ?? []), name]);
  }
  return requested;
}

/** What the check of a request's `resource` looks at. */
type Here = { directory: Directory; state: { switches: { refuseResource: boolean } } };

/**
 * Reads the scopes of a request, and its `resource` of RFC 8707, which MCP clients send: Entra takes that where it is the
 * identifier URI of what the scopes name, to the letter, and ignores it then.
 * @throws Refusal 9010010 for any other, 901002 for each while `refuseResource` is on; of a scope as `parseScope`.
 */
export function readScopes({ directory, state }: Here, form: URLSearchParams, scope: string, tid?: string) {
  const requested = parseScope(directory, scope, tid);
  checkResource(form, requested, state.switches.refuseResource);
  return requested;
}

/** @throws Refusal 9010010, 901002. */
export function checkResource(form: URLSearchParams, { resources }: RequestedScopes, refuse: boolean): void {
  for (const resource of form.getAll('resource').filter(Boolean)) {
    if (refuse) throw new Refusal(901002);
    if (![...resources.keys()].some(({ identifierUri }) => identifierUri === resource)) throw new Refusal(9010010);
  }
}

/**
 * The one resource a token can be for; OpenID scopes alone make a Graph token.
 * @throws Refusal 28000 if several are requested.
 */
export function oneResource(directory: Directory, requested: RequestedScopes): { resource: App; names: string[] } {
  if (requested.resources.size > 1) throw new Refusal(28000, { scope: requested.text });
  const [entry] = requested.resources;
  const [resource, names] = entry ?? [directory.findApp(graph) as App, []];
  return { resource, names };
}
