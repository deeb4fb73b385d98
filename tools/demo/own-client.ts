import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isSecureContext } from '@onbehalf/node/core/address';
import { ownSeed } from '../../services/entra-emulator/src/directory/own-seed.ts';
import { subjectOf } from '../../test/kit/cluster.ts';
import { mountJson, mountKeyRing } from '../../test/kit/mounts.ts';
import { emulatorDir } from '../../test/kit/system/environments.ts';
import type { SystemOptions } from '../../test/kit/system/open.ts';
import {
  apiScope,
  appId,
  grants,
  graphScope,
  namespace,
  type Seed,
  seedWithPeople,
  serviceClients,
  type TestClients,
  tenantId,
  testClients,
} from '../../test/kit/system/registrations.ts';
import type { System } from '../../test/kit/system/system.ts';

type Values = { client?: string | undefined; redirect?: string[] | undefined; env?: string | undefined };

/** An app of somebody's that signs people in beside the demo. */
export type OwnClient = { name: string; redirectUris: string[]; envFile: string };

/** Clients of the broker that nothing of the demo is: whoever reads the broker's README is them, by curl. */
export const readers = ['job', 'assistant', 'operator'];

/** Names that the demo has already, at Entra or at the broker. */
const taken = [
  ...seedWithPeople(0).apps.map(({ name }) => name),
  ...Object.keys({ ...serviceClients([]), ...testClients('', '', []) }),
  'token-broker',
];

/** What `--client`, `--redirect` and `--env` say; undefined without them. @throws Error in a sentence for a wrong one. */
export function readOwnClient({ client, redirect, env }: Values): OwnClient | undefined {
  if (client === undefined) {
    if (redirect || env) throw new Error(`--${redirect ? 'redirect' : 'env'} needs --client <name>.`);
    return undefined;
  }
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(client))
    throw new Error('--client must be a name of lower-case letters, digits and dashes, such as my-web.');
  if (taken.includes(client)) throw new Error(`The demo has a ${client} itself: --client needs another name.`);
  if (!redirect) throw new Error('--client needs --redirect <uri>: where Entra sends people back to your app.');
  for (const uri of redirect) checkRedirect(uri);
  return { name: client, redirectUris: redirect, envFile: resolve(env ?? join('.cache/demo', `${client}.env`)) };
}

function checkRedirect(uri: string): void {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error(`--redirect ${uri} is no http or https URL.`);
  if (url.hash || uri.includes('#')) throw new Error(`--redirect ${uri} must have no fragment.`);
  if (!isSecureContext(url)) throw new Error(`--redirect ${uri} must be https, as Entra demands of all but localhost.`);
}

/** The id of its registration, which is the same whenever its name is. */
function clientIdOf({ name }: OwnClient): string {
  return ownSeed({ clients: [{ name }] }).apps.find((app) => app.name === name)?.appId ?? '';
}

/**
 * How a system is opened that knows it: registered at Entra and at the broker, and welcome at the API. It may be an API too:
 * web-frontend may ask for a token for it, and it may call Graph on behalf of people.
 */
export function withOwnClient(own: OwnClient) {
  const { name, redirectUris } = own;
  const federated = [
    { subject: subjectOf({ namespace, name: 'token-broker' }), audience: 'api://AzureADTokenExchange' },
  ];
  const asWeb = { redirectUris, requiredScopes: [apiScope, graphScope], requirePkce: true };
  const asApi = {
    identifierUri: `api://${name}`,
    scopes: [{ value: 'access_as_user', description: `Use ${name} as you` }],
    preAuthorized: [{ client: 'web', scopes: ['access_as_user'] }],
    adminConsent: [graphScope],
  };
  const atBroker = {
    ...{ tenantId, clientId: clientIdOf(own), redirectUris },
    ...{ subjects: [subjectOf({ namespace, name })], credentials: [{ type: 'federated' }] },
    ...{ grants: ['authorization_code', grants.exchange, grants.jwtBearer], scopes: [apiScope, graphScope] },
  };
  return {
    seed: (usual: Seed) => ownSeed({ seed: usual, clients: [{ name, federated, ...asWeb, ...asApi }] }),
    clients: (usual: TestClients) => ({ ...usual, [name]: atBroker }),
    scopes: [`api://${name}/access_as_user`],
    env: { api: { ENTRA_ALLOWED_CLIENTS: `${appId('web')},${clientIdOf(own)}` } },
  } satisfies Partial<SystemOptions>;
}

/** Mounts its ServiceAccount token, which is renewed while the demo runs, and writes the .env of its app. Gives the lines. */
export async function writeOwnEnvironment(own: OwnClient, system: System): Promise<string[]> {
  const { name, redirectUris, envFile } = own;
  const { stateDir, cluster, emulator, broker, api, viewerUrl } = system;
  const directory = join(stateDir, 'own', name);
  const [redirectUri = ''] = redirectUris;
  const env = {
    ENTRA_TENANT_ID: tenantId,
    ENTRA_CLIENT_ID: clientIdOf(own),
    ENTRA_AUDIENCE: clientIdOf(own),
    ENTRA_AUTHORITY_HOST: emulator.origin,
    PUBLIC_BASE_URL: new URL(redirectUri).origin,
    REDIRECT_URI: redirectUri,
    PORT: new URL(redirectUri).port || '4000',
    BROKER_URL: broker,
    BROKER_ASSERTION_FILE: await cluster.mountToken({ namespace, name, audience: 'token-broker' }),
    SESSION_KEYS_DIR: await mountKeyRing(join(directory, 'session-keys')),
    APIS_FILE: await mountJson(directory, 'apis.json', { 'downstream-api': { url: api, scopes: [apiScope] } }),
    API_URL: api,
    API_SCOPE: apiScope,
    GRAPH_BASE_URL: emulator.origin,
    NODE_EXTRA_CA_CERTS: join(emulatorDir(stateDir), 'ca.pem'),
    SSL_CERT_FILE: join(emulatorDir(stateDir), 'ca.pem'),
    ...(viewerUrl && { OTEL_EXPORTER_OTLP_ENDPOINT: viewerUrl, OTEL_SERVICE_NAME: name }),
  };
  const lines = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  await mkdir(dirname(envFile), { recursive: true });
  await writeFile(envFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  return lines;
}
