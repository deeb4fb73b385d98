import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { mountFiles, mountJson, mountKeyRing } from '../mounts.ts';
import type { Redis } from '../redis/server.ts';
import type { Entra } from './emulator.ts';
import { apiScope, appId, namespace, tenantId } from './registrations.ts';

export type Environment = Record<string, string>;

/** What stands before the services start: they must know each other's addresses. */
export type Ground = {
  /** Files that Kubernetes would mount; only their owner reads them. */
  stateDir: string;
  cluster: Cluster;
  emulator: Entra;
  /** Where the services find the broker. */
  broker: string;
  api: string;
  web: string;
};

const inherited = ['PATH', 'NODE_COMPILE_CACHE', 'REDIS_COMMAND_TIMEOUT_MS'] as const;

/** What every program gets; the drain is short because nobody but us waits. */
export const common: Environment = {
  ...Object.fromEntries(inherited.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  ...{ BIND_ADDRESS: '127.0.0.1', SHUTDOWN_DELAY_MS: '0', DRAIN_MS: '2000' },
};

/** The emulator's files; among them the CA that the services trust. */
export const emulatorDir = (stateDir: string) => join(stateDir, 'emulator');

const shared = ({ stateDir, emulator, broker }: Ground) => ({
  ...common,
  NODE_EXTRA_CA_CERTS: join(emulatorDir(stateDir), 'ca.pem'),
  ENTRA_AUTHORITY_HOST: emulator.origin,
  BROKER_URL: broker,
});

const assertionOf = ({ cluster }: Ground, name: string) =>
  cluster.mountToken({ namespace, name, audience: 'token-broker' });

/** The broker, configured as its chart configures it: a federated credential, mounted keys and files. */
export async function brokerEnvironment(ground: Ground, clients: object): Promise<Environment> {
  const { stateDir, cluster } = ground;
  const account = { namespace, name: 'token-broker', audience: 'api://AzureADTokenExchange' };
  return {
    ...shared(ground),
    CLIENTS_FILE: await mountJson(stateDir, 'clients.json', clients),
    CALLERS_ISSUER: cluster.issuer,
    SEALING_KEYS_DIR: await mountKeyRing(join(stateDir, 'sealing')),
    AZURE_FEDERATED_TOKEN_FILE: await cluster.mountToken(account),
  };
}

/** How the broker reaches a single Redis. @param port of a relay before it, perhaps. */
export async function redisEnvironment(stateDir: string, redis: Redis, port = redis.port): Promise<Environment> {
  const host = port !== redis.port ? '127.0.0.1' : redis.host;
  return {
    REDIS_URL: `redis://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ...(redis.username && { REDIS_USERNAME: redis.username }),
    ...(redis.password && (await redisPassword(stateDir, redis.password))),
  };
}

/** That the broker shows Redis this password. */
export async function redisPassword(stateDir: string, password: string): Promise<Environment> {
  const directory = await mountFiles(join(stateDir, 'redis'), { password });
  return { REDIS_AUTH: 'password', REDIS_PASSWORD_FILE: join(directory, 'password') };
}

/** web-frontend, as its chart configures it. */
export async function webEnvironment(ground: Ground): Promise<Environment> {
  return {
    ...shared(ground),
    PUBLIC_BASE_URL: ground.web,
    ENTRA_TENANT_ID: tenantId,
    ENTRA_CLIENT_ID: appId('web'),
    BROKER_ASSERTION_FILE: await assertionOf(ground, 'web-frontend'),
    SESSION_KEYS_DIR: await mountKeyRing(join(ground.stateDir, 'session-keys')),
    APIS_FILE: await mountJson(ground.stateDir, 'apis.json', {
      'downstream-api': { url: ground.api, scopes: [apiScope] },
    }),
  };
}

/** downstream-api, as its chart configures it. */
export async function apiEnvironment(ground: Ground): Promise<Environment> {
  return {
    ...shared(ground),
    ENTRA_AUDIENCE: appId('api'),
    ENTRA_TENANTS: tenantId,
    ENTRA_ALLOWED_CLIENTS: appId('web'),
    BROKER_ASSERTION_FILE: await assertionOf(ground, 'downstream-api'),
    GRAPH_BASE_URL: ground.emulator.origin,
  };
}
