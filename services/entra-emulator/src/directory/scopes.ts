import { Refusal } from '../requests/aadsts.ts';
import type { Directory } from './directory.ts';
import type { App } from './seed.ts';

export const oidcScopes = ['openid', 'profile', 'email', 'offline_access'];
const graph = 'https://graph.microsoft.com';

/** Microsoft Graph is special: it owns the OpenID scopes and the bare names. */
export function isGraph(resource: App): boolean {
  return resource.identifierUri === graph;
}

/** What a `scope` parameter asks for. */
export type Asked = {
  /** The parameter as it came: its words are repeated in the answer, because MSAL's cache key is made of them. */
  text: string;
  oidc: string[];
  /** Scope names by resource; `.default` stands for all that are consented. */
  resources: Map<App, string[]>;
};

/**
 * Reads `scope`: `<identifier URI or app id>/<name>`, a bare name is Graph's. Learn: "Scopes and permissions".
 * @throws Refusal 500011 for an unknown resource, 70011 for a scope it does not offer.
 */
export function parseScope(directory: Directory, text: string, tid: string | undefined): Asked {
  const asked: Asked = { text, oidc: [], resources: new Map() };
  for (const word of text.split(' ').filter(Boolean)) {
    if (oidcScopes.includes(word)) {
      asked.oidc.push(word);
      continue;
    }
    const slash = word.lastIndexOf('/');
    const id = slash < 0 ? graph : word.slice(0, slash).replace(/\/$/, '');
    const name = word.slice(slash + 1);
    const app = directory.findApp(id);
    // Apps without an identifier URI answer to their id alone, never to their seed name.
    if (!app || app.name === id || (tid && !directory.isIn(app, tid))) {
      throw new Refusal(500011, { resource: id, tenant: tid ?? 'common' });
    }
    if (name !== '.default' && !app.scopes.some(({ value }) => value === name)) {
      throw new Refusal(70011, { scope: word });
    }
    asked.resources.set(app, [...(asked.resources.get(app) ?? []), name]);
  }
  return asked;
}

/**
 * The one resource a token can be for; OpenID scopes alone make a Graph token.
 * @throws Refusal 28000 if several are asked.
 */
export function oneResource(directory: Directory, asked: Asked): { resource: App; names: string[] } {
  if (asked.resources.size > 1) throw new Refusal(28000, { scope: asked.text });
  const [entry] = asked.resources;
  const [resource, names] = entry ?? [directory.findApp(graph) as App, []];
  return { resource, names };
}
