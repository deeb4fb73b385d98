import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCluster } from '../kit/cluster.ts';
import { mountFiles, mountKeyRing } from '../kit/mounts.ts';

/**
 * What Kubernetes would do for containers without it: mounts key rings, Redis' password and ServiceAccount tokens into
 * a volume, and answers as the cluster's OIDC issuer `http://cluster:8000`.
 */
const state = '/state';
const namespace = 'onbehalf';
const password = randomBytes(24).toString('hex');

await mountKeyRing(join(state, 'session-keys'));
await mountKeyRing(join(state, 'sealing-keys'));
await mountFiles(join(state, 'redis'), {
  password,
  'users.acl': `user default off\nuser token-broker on >${password} ~ob:* &ob:* +@all -@dangerous +info\n`,
});
// Which port the browser sees is known here only.
const clients = await readFile('/app/clients.json', 'utf8');
await mountFiles(state, { 'clients.json': clients.replaceAll('PUBLIC_BASE_URL', process.env.PUBLIC_BASE_URL ?? '') });
const cluster = await openCluster(join(state, 'service-accounts'), { name: 'cluster', host: '0.0.0.0', port: 8000 });
// `default` is nobody's client: what the broker must refuse.
for (const name of ['web-frontend', 'downstream-api', 'onbehalf-load', 'default']) {
  await cluster.mountToken({ namespace, name, audience: 'token-broker' });
}
await cluster.mountToken({ namespace, name: 'token-broker', audience: 'api://AzureADTokenExchange' });
process.once('SIGTERM', () => cluster[Symbol.asyncDispose]());
