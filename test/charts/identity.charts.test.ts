import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type {
  KubernetesObject,
  V1ConfigMap,
  V1Deployment,
  V1PodSpec,
  V1ServiceAccountTokenProjection,
} from '@kubernetes/client-node';
import { cloudOf, nationalClouds } from '@onbehalf/node/core/keys/authority';
import { copyCharts, objectsOf, ofKind, podsOf, render, scenarios } from './render.ts';

const all = await scenarios();
const source = join(import.meta.dirname, '../../charts');

const tokensOf = (spec: V1PodSpec | undefined): V1ServiceAccountTokenProjection[] =>
  (spec?.volumes ?? []).flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []),
  );

describe('identity and secrets', () => {
  const rendered = new Map<string, KubernetesObject[]>();
  let charts: string;
  before(async () => {
    charts = await copyCharts();
    for (const scenario of all) rendered.set(scenario.name, objectsOf(await render(charts, scenario)));
  });
  const pod = (scenario: string, service: string) =>
    ofKind<V1Deployment>(rendered.get(scenario) ?? [], 'Deployment').find(({ metadata }) =>
      metadata?.name?.endsWith(service),
    )?.spec?.template;
  const envOf = (spec: V1PodSpec | undefined) => spec?.containers[0]?.env?.map(({ name }) => name) ?? [];

  it('projects Entra’s assertion into the broker when a client or Redis is federated, and nowhere else', () => {
    for (const scenario of ['onbehalf/facts', 'onbehalf/amr', 'onbehalf/certificate', 'onbehalf/kind']) {
      const spec = pod(scenario, 'token-broker')?.spec;
      const cloud = scenario === 'onbehalf/certificate' ? nationalClouds.get('login.microsoftonline.us') : undefined;
      const { federationAudience: audience } = cloud ?? cloudOf('https://login.microsoftonline.com');
      const forEntra = tokensOf(spec).filter((token) => token.audience !== undefined);
      assert.deepEqual(forEntra, [{ audience, expirationSeconds: 3600, path: 'azure-identity-token' }]);
      const mount = spec?.containers[0]?.volumeMounts?.find(({ name }) => name === 'azure-token');
      assert.equal(mount?.mountPath, '/var/run/secrets/azure/tokens');
      const env = spec?.containers[0]?.env?.find(({ name }) => name === 'AZURE_FEDERATED_TOKEN_FILE');
      assert.equal(env?.value, '/var/run/secrets/azure/tokens/azure-identity-token');
    }
    const secret = pod('onbehalf/secret', 'token-broker')?.spec;
    assert.deepEqual(tokensOf(secret), []);
    assert.ok(!envOf(secret).includes('AZURE_FEDERATED_TOKEN_FILE'));
  });

  it('knows the clouds as the services do: whom a federated token is for, and where Microsoft Graph is', async () => {
    const scenario = all.find(({ name }) => name === 'onbehalf/facts');
    assert.ok(scenario);
    const hosts = ['login.microsoftonline.com', 'contoso.ciamlogin.com', ...nationalClouds.keys()];
    for (const authorityHost of hosts.map((host) => `https://${host}`)) {
      const objects = objectsOf(await render(charts, scenario, { set: { global: { entra: { authorityHost } } } }));
      const { graph, federationAudience } = cloudOf(authorityHost);
      const broker = ofKind<V1Deployment>(objects, 'Deployment').find(({ metadata }) =>
        metadata?.name?.endsWith('token-broker'),
      );
      assert.deepEqual(
        tokensOf(broker?.spec?.template.spec).map(({ audience }) => audience),
        [federationAudience],
      );
      const [clients] = ofKind<V1ConfigMap>(objects, 'ConfigMap').flatMap(({ data }) => data?.['clients.json'] ?? []);
      assert.deepEqual(JSON.parse(clients ?? '{}').api.scopes, [`${graph}/User.Read`], authorityHost);
    }
  });

  it('leaves the projection to the webhook if told so', () => {
    const template = pod('onbehalf/aks-webhook', 'token-broker');
    assert.equal(template?.metadata?.labels?.['azure.workload.identity/use'], 'true');
    assert.deepEqual(tokensOf(template?.spec), []);
    assert.ok(!envOf(template?.spec).includes('AZURE_FEDERATED_TOKEN_FILE'));
    const account = rendered
      .get('onbehalf/aks-webhook')
      ?.find(({ kind, metadata }) => kind === 'ServiceAccount' && metadata?.name === 'onbehalf-token-broker');
    assert.match(account?.metadata?.annotations?.['azure.workload.identity/client-id'] ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(pod('onbehalf/facts', 'token-broker')?.metadata?.labels?.['azure.workload.identity/use'], undefined);
  });

  it('projects a token for the API server into the broker where the issuer wants one, and not otherwise', () => {
    const asked = pod('onbehalf/redis-cluster', 'token-broker')?.spec;
    assert.deepEqual(
      tokensOf(asked).filter(({ audience }) => audience === undefined),
      [{ expirationSeconds: 3600, path: 'token' }],
    );
    const mount = asked?.containers[0]?.volumeMounts?.find(({ name }) => name === 'api-server-token');
    const env = asked?.containers[0]?.env?.find(({ name }) => name === 'CALLERS_TOKEN_FILE');
    assert.equal(env?.value, `${mount?.mountPath}/token`);
    for (const service of ['token-broker', 'web-frontend', 'downstream-api']) {
      const spec = pod('onbehalf/facts', service)?.spec;
      assert.ok(tokensOf(spec).every(({ audience }) => audience !== undefined));
      assert.ok(!envOf(spec).includes('CALLERS_TOKEN_FILE'));
    }
  });

  it('gives callers a ten-minute assertion for the broker, as a file', () => {
    for (const service of ['web-frontend', 'downstream-api']) {
      assert.deepEqual(tokensOf(pod('onbehalf/facts', service)?.spec), [
        { audience: 'token-broker', expirationSeconds: 600, path: 'assertion' },
      ]);
    }
  });

  it('renders no Secret, takes none from the environment and mounts none by subPath', () => {
    for (const { name } of all) {
      const objects = rendered.get(name) ?? [];
      assert.ok(!objects.some(({ kind }) => kind === 'Secret'), name);
      for (const { owner, spec } of podsOf(objects)) {
        const text = JSON.stringify(spec);
        assert.doesNotMatch(text, /secretKeyRef|secretRef|subPath/, `${name} ${owner}`);
      }
    }
  });

  it('makes nothing up: no template draws random values or holds a placeholder', async () => {
    for (const path of await templates()) {
      const text = await readFile(path, 'utf8');
      assert.doesNotMatch(
        text,
        /\b(rand(AlphaNum|Alpha|Numeric|Ascii|Bytes|Int)|gen(CA|SelfSignedCert|SignedCert|PrivateKey)|htpasswd|uuidv4|now)\b/,
        path,
      );
      assert.doesNotMatch(text, /change-?me|s3cr3t|passw0rd|your-/i, path);
    }
  });

  it('looks into the cluster for what depends on it alone: live replicas, and what is read once', async () => {
    const looks = await Promise.all(
      (await templates()).map(async (path) => (await readFile(path, 'utf8')).match(/\blookup [^|}]+/g) ?? []),
    );
    assert.deepEqual(
      looks
        .flat()
        .map((look) => look.split(' ')[2])
        .sort(),
      ['"Deployment"', '.kind'],
    );
  });

  it('mounts key rings as whole directories, from a Secret or from Key Vault', () => {
    const volume = (scenario: string, service: string, name: string) =>
      pod(scenario, service)?.spec?.volumes?.find((one) => one.name === name);
    assert.equal(volume('onbehalf/facts', 'web-frontend', 'session')?.secret?.secretName, 'web-session');
    assert.equal(volume('onbehalf/facts', 'token-broker', 'sealing')?.secret?.secretName, 'broker-sealing');
    assert.equal(volume('onbehalf/facts', 'token-broker', 'sealing')?.secret?.items, undefined);
    const vault = volume('onbehalf/key-vault', 'token-broker', 'sealing');
    assert.equal(vault?.csi?.driver, 'secrets-store.csi.k8s.io');
    assert.equal(vault?.csi?.volumeAttributes?.secretProviderClass, 'onbehalf-token-broker');
    assert.equal(vault?.secret, undefined);
  });
});

async function templates(): Promise<string[]> {
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\/templates(\/|$)/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
}
