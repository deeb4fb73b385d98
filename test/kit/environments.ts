import { join } from 'node:path';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { type Cluster, subjectOf } from './cluster.ts';
import { mountFiles, mountJson, mountKeyRing } from './mounts.ts';
import type { Redis } from './redis/server.ts';

/** Where everything is, known before anything starts: the programs must know each other's addresses. */
export type Places = {
  /** Files that Kubernetes would mount; only their owner reads them. */
  stateDir: string;
  web: { port: number };
  entra: { port: number; browserPort: number; adminPort: number };
  brokerUrl: string;
  redisPrefix: string;
  apiPort: number;
};

export type Environment = Record<string, string>;

const namespace = 'onbehalf';
const federationAudience = 'api://AzureADTokenExchange';

/** The app registrations the services stand for. */
const app = (name: string) => {
  const found = builtInSeed.apps.find((each) => each.name === name);
  if (!found) throw new Error(`The emulator's seed has no app ${name}.`);
  return found;
};
const tenantId = builtInSeed.tenants[0]?.tid ?? '';
export const apiScope = `${app('api').identifierUri}/access_as_user`;
const graphScope = 'https://graph.microsoft.com/User.Read';

export const webOrigin = ({ web }: Places) => `http://localhost:${web.port}`;
// Another site than web-frontend's localhost, as Entra ID is in production.
export const entraOrigins = ({ entra }: Places) => ({
  origin: `https://localhost:${entra.port}`,
  browserOrigin: `http://127.0.0.1:${entra.browserPort}`,
  admin: `http://127.0.0.1:${entra.adminPort}`,
});

/** What every program gets; the drain is short because nobody but us waits. */
const common: Environment = {
  PATH: process.env.PATH ?? '',
  ...(process.env.NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
  ...(process.env.REDIS_COMMAND_TIMEOUT_MS && { REDIS_COMMAND_TIMEOUT_MS: process.env.REDIS_COMMAND_TIMEOUT_MS }),
  BIND_ADDRESS: '127.0.0.1',
  SHUTDOWN_DELAY_MS: '0',
  DRAIN_MS: '1000',
};

/** The emulator: web-frontend's redirect URIs at our port, trusting the cluster's issuer. */
export function entraEnvironment(places: Places, cluster: Cluster): Environment {
  return {
    ...common,
    HTTPS_PORT: String(places.entra.port),
    HTTP_PORT: String(places.entra.browserPort),
    ADMIN_PORT: String(places.entra.adminPort),
    BROWSER_ORIGIN: entraOrigins(places).browserOrigin,
    STATE_DIR: join(places.stateDir, 'entra-emulator'),
    FRONTEND_ORIGIN: webOrigin(places),
    FEDERATED_ISSUERS: JSON.stringify([{ issuer: cluster.issuer }]),
  };
}

/** `clients.json`: web-frontend signs people in and exchanges, downstream-api acts on behalf of them. */
function clients(places: Places) {
  const grant = (name: string) => `urn:ietf:params:oauth:grant-type:${name}`;
  const client = (name: string, appName: string) => ({
    tenantId,
    clientId: app(appName).appId,
    subjects: [subjectOf({ namespace, name })],
    credentials: [{ type: 'federated' }],
  });
  return {
    'web-frontend': {
      ...client('web-frontend', 'web'),
      grants: ['authorization_code', grant('token-exchange')],
      scopes: [apiScope],
      redirectUris: [`${webOrigin(places)}/auth/callback`],
    },
    'downstream-api': {
      ...client('downstream-api', 'api'),
      grants: [grant('jwt-bearer')],
      scopes: [graphScope],
    },
  };
}

/** The three services, configured as their charts configure them: federated credentials, mounted keys and files. */
export async function serviceEnvironments(places: Places, cluster: Cluster, redis: Redis, caFile: string) {
  const { stateDir, brokerUrl } = places;
  const entra = entraOrigins(places).origin;
  const assertionOf = (name: string) => cluster.mountToken({ namespace, name, audience: 'token-broker' });
  const shared = { ...common, NODE_EXTRA_CA_CERTS: caFile, ENTRA_AUTHORITY_HOST: entra };
  const web: Environment = {
    ...shared,
    PUBLIC_BASE_URL: webOrigin(places),
    ENTRA_TENANT_ID: tenantId,
    ENTRA_CLIENT_ID: app('web').appId,
    BROKER_URL: brokerUrl,
    BROKER_ASSERTION_FILE: await assertionOf('web-frontend'),
    SESSION_KEYS_DIR: await mountKeyRing(join(stateDir, 'session-keys')),
    APIS_FILE: await mountJson(stateDir, 'apis.json', {
      'downstream-api': { url: `http://127.0.0.1:${places.apiPort}`, scopes: [apiScope] },
    }),
  };
  const broker: Environment = {
    ...shared,
    BROKER_URL: brokerUrl,
    CLIENTS_FILE: await mountJson(stateDir, 'clients.json', clients(places)),
    CALLERS_ISSUER: cluster.issuer,
    CALLERS_JWKS_URI: cluster.jwksUri,
    SEALING_KEYS_DIR: await mountKeyRing(join(stateDir, 'sealing-keys')),
    REDIS_URL: `redis://${redis.host.includes(':') ? `[${redis.host}]` : redis.host}:${redis.port}`,
    REDIS_KEY_PREFIX: places.redisPrefix,
    REDIS_AUTH: redis.password ? 'password' : 'none',
    ...(redis.username && { REDIS_USERNAME: redis.username }),
    ...(redis.password && {
      REDIS_PASSWORD_FILE: join(await mountFiles(join(stateDir, 'redis'), { password: redis.password }), 'password'),
    }),
    AZURE_FEDERATED_TOKEN_FILE: await cluster.mountToken({
      namespace,
      name: 'token-broker',
      audience: federationAudience,
    }),
  };
  const api: Environment = {
    ...shared,
    ENTRA_AUDIENCE: app('api').appId,
    ENTRA_TENANTS: tenantId,
    ENTRA_ALLOWED_CLIENTS: app('web').appId,
    BROKER_URL: brokerUrl,
    BROKER_ASSERTION_FILE: await assertionOf('downstream-api'),
    GRAPH_BASE_URL: entra,
  };
  return { web, broker, api };
}
