import { randomBytes } from 'node:crypto';
import builtInSeed from '../../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { subjectOf } from '../cluster.ts';

export const apiScope = 'api://onbehalf-api/access_as_user';
export const graphScope = 'https://graph.microsoft.com/User.Read';
/** A person's token with it lets an agent act on their behalf. */
export const agentScope = 'api://onbehalf-agents/access_agent';
export const appScope = 'api://onbehalf-api/.default';
const grant = (name: string) => `urn:ietf:params:oauth:grant-type:${name}`;
export const grants = { exchange: grant('token-exchange'), jwtBearer: grant('jwt-bearer') };

/** Where the services live in the cluster. */
export const namespace = 'onbehalf';
export const tenantId = builtInSeed.tenants[0]?.tid ?? '';

/** The id of an app registration of the emulator's seed, which the services stand for. */
export function appId(name: string): string {
  const found = builtInSeed.apps.find((each) => each.name === name);
  if (!found) throw new Error(`The emulator's seed has no app ${name}.`);
  return found.appId;
}

/** The emulator's own seed; with more people `load00001`, `load00002` …, who have nothing but a name. */
export function seedWithPeople(n: number) {
  return { ...builtInSeed, generate: n > 0 ? [{ prefix: 'load', n, tid: 'contoso.test' }] : [] };
}
export type Seed = ReturnType<typeof seedWithPeople>;

/** The seed, with consent of an administrator for these scopes at the client `web`, and whatever else of it is changed. */
export function consentedWeb(usual: Seed, scopes: string[], more: object = {}) {
  const apps = usual.apps.map((app) => (app.name === 'web' ? { ...app, adminConsent: scopes, ...more } : app));
  return { ...usual, apps };
}

const client = (app: string, account: string) => ({
  tenantId,
  clientId: appId(app),
  subjects: [subjectOf({ namespace, name: account })],
  credentials: [{ type: 'federated' }],
});

/**
 * What the broker knows of the services: web-frontend signs people in and exchanges, downstream-api acts for them.
 * @param scopes beyond the usual that web-frontend may ask for.
 */
export function serviceClients(redirectUris: string[], scopes: string[] = []) {
  return {
    'web-frontend': {
      ...client('web', 'web-frontend'),
      grants: ['authorization_code', grants.exchange],
      scopes: [apiScope, ...scopes],
      redirectUris,
    },
    'downstream-api': { ...client('api', 'downstream-api'), grants: [grants.jwtBearer], scopes: [graphScope] },
  };
}

/** Clients that a test is itself, by `System.post`. @param scopes beyond the usual that `web` may ask for. */
export function testClients(redirectUri: string, jobSecret: string, scopes: string[]) {
  return {
    web: {
      ...client('web', 'web'),
      grants: ['authorization_code', grants.exchange],
      scopes: [apiScope, graphScope, ...scopes],
      redirectUris: [redirectUri],
    },
    api: { ...client('api', 'api'), grants: [grants.jwtBearer], scopes: [graphScope] },
    job: {
      ...client('job', 'job'),
      credentials: [{ type: 'secret', file: jobSecret }],
      grants: ['client_credentials'],
      scopes: [appScope],
    },
    assistant: {
      ...client('agents', 'assistant'),
      agents: [appId('scout'), appId('clerk')],
      grants: ['client_credentials', grants.jwtBearer, 'user_fic'],
      scopes: [appScope, apiScope, graphScope],
    },
    operator: { ...client('job', 'operator'), grants: ['client_credentials'], permissions: ['operator'] },
  };
}
export type TestClients = ReturnType<typeof testClients>;

/** How the keys of one system begin, since a Redis may be shared. */
export const ownPrefix = () => `ob:${randomBytes(6).toString('hex')}:`;
