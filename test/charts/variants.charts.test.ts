import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type KubernetesObject, loadAllYaml } from '@kubernetes/client-node';
import { z } from 'zod';
import { copyCharts, objectsOf, ofKind, render } from './render.ts';
import { read } from './repository.ts';
import { faultsOf } from './validators.ts';

const guid = '11111111-1111-4111-8111-111111111111';
/** What deploy.sh finds out or is told. */
const known: Record<string, string> = {
  HOST: 'signin.example.com',
  TENANT: guid,
  WEB_ID: guid,
  API_ID: guid,
  RID: guid,
  GID: guid,
  KID: guid,
  REG: 'onbehalf.azurecr.io',
  TAG: '0000000',
  KV: 'onbehalf',
  ISSUER: 'https://oidc.example.com/x/',
  CERT_MANAGER_ISSUER: 'letsencrypt',
  RHOST: 'onbehalf.swedencentral.redis.azure.net',
  ZID: `/subscriptions/${guid}/resourceGroups/rg-dns/providers/Microsoft.Network/dnsZones/example.com`,
};

/** A file of docs/aks as envsubst makes it. */
async function filled(file: string): Promise<string> {
  const script = `${await read('docs/aks/env.example')}\n${await read('docs/aks/deploy.sh')}`;
  return (await read(`docs/aks/${file}`)).replace(/^#.*$/gm, '').replace(/\$(\w+)/g, (_, name: string) => {
    assert.ok(known[name], name);
    if (!/^(WEB|API)_ID$/.test(name)) assert.match(script, new RegExp(`\\b${name}=`), `${name} is set nowhere`);
    return known[name] as string;
  });
}

type Variant = { name: string; files?: string[]; set?: object; shows: (objects: KubernetesObject[]) => void };
const gatewayOf = (objects: KubernetesObject[]) => JSON.stringify(ofKind(objects, 'Gateway'));
const variants: Variant[] = [
  {
    name: 'public by the Gateway, on AKS Automatic',
    shows: (objects) => {
      assert.match(gatewayOf(objects), /"gatewayClassName":"approuting-istio".*tls-cert-keyvault-uri/);
      assert.ok(ofKind(objects, 'CiliumNetworkPolicy').length > 0);
      assert.match(JSON.stringify(ofKind(objects, 'PodMonitor')), /azmonitoring\.coreos\.com/);
      assert.match(JSON.stringify(objects), /"onbehalf\.azurecr\.io\/token-broker:0000000"/);
      assert.equal(ofKind(objects, 'ExternalDNS').length, 1);
    },
  },
  {
    name: 'AKS Standard, without managed Prometheus',
    set: { global: { networkPolicy: { flavor: 'kubernetes' }, metrics: { podMonitor: { enabled: false } } } },
    shows: (objects) => {
      assert.deepEqual([...ofKind(objects, 'CiliumNetworkPolicy'), ...ofKind(objects, 'PodMonitor')], []);
      assert.match(JSON.stringify(ofKind(objects, 'NetworkPolicy')), /"k8s-app":"kube-dns"/);
    },
  },
  {
    name: 'a private cluster',
    files: ['private-values.yaml'],
    shows: (objects) => assert.match(gatewayOf(objects), /azure-load-balancer-internal":"true"/),
  },
  {
    name: 'key rings in the vault, by the CSI driver',
    files: ['key-vault-values.yaml'],
    shows: (objects) => {
      assert.equal(ofKind(objects, 'SecretProviderClass').length, 2);
      assert.doesNotMatch(JSON.stringify(ofKind(objects, 'Deployment')), /"secretName"/);
    },
  },
  {
    name: 'the certificate by cert-manager',
    files: ['cert-manager-values.yaml'],
    shows: (objects) => {
      assert.match(gatewayOf(objects), /"cert-manager\.io\/cluster-issuer":"letsencrypt"/);
      assert.match(gatewayOf(objects), /"certificateRefs":\[\{"name":"signin-tls"\}\]/);
      assert.doesNotMatch(gatewayOf(objects), /keyvault/);
      assert.equal(ofKind(objects, 'ExternalDNS').length, 1);
    },
  },
];

/** As the operator's CRDs of external-secrets.io/v1 name them; what is not here has no use. */
const name = z.string().min(1);
const externalSecrets = {
  SecretStore: z.strictObject({
    provider: z.strictObject({
      azurekv: z.strictObject({
        authType: z.literal('WorkloadIdentity'),
        vaultUrl: z.url(),
        serviceAccountRef: z.strictObject({ name }),
      }),
    }),
  }),
  ExternalSecret: z.strictObject({
    refreshInterval: z.string().regex(/^\d+m$/),
    secretStoreRef: z.strictObject({ kind: z.literal('SecretStore'), name }),
    data: z.array(z.strictObject({ secretKey: name, remoteRef: z.strictObject({ key: name }) })),
  }),
};

describe('docs/aks', () => {
  let charts: string;
  before(async () => {
    charts = await copyCharts();
  });

  for (const { name, files = [], set, shows } of variants) {
    it(`renders ${name}, with no fault and no variable left`, async () => {
      const all = ['values.yaml', ...files];
      for (const file of all)
        await writeFile(join(charts, 'onbehalf', file.replace('values', 'my-values')), await filled(file));
      const given = ['ci/aks-automatic-values.yaml', ...all.map((file) => file.replace('values', 'my-values'))];
      const scenario = { chart: 'onbehalf', name, release: 'onbehalf', files: given };
      const rendered = await render(charts, scenario, set ? { set } : {});
      const objects = objectsOf(rendered);
      assert.deepEqual(objects.flatMap(faultsOf), []);
      assert.doesNotMatch(rendered, /\$[A-Z]/);
      shows(objects);
    });
  }

  it('has key rings by External Secrets with the very files that the charts mount', async () => {
    const objects = loadAllYaml(await filled('external-secrets.yaml')) as (KubernetesObject & { spec?: unknown })[];
    const files = new Map<string, string[]>();
    for (const { apiVersion, kind, metadata, spec } of objects) {
      if (kind === 'ServiceAccount') continue;
      assert.equal(apiVersion, 'external-secrets.io/v1');
      const { data } = externalSecrets[kind as keyof typeof externalSecrets].parse(spec) as {
        data?: { secretKey: string }[];
      };
      if (data)
        files.set(
          metadata?.name ?? '',
          data.map(({ secretKey }) => secretKey),
        );
    }
    assert.deepEqual(
      [...files],
      [
        ['web-session', ['current', 'k1']],
        ['broker-sealing', ['current', 'k1', 'index']],
      ],
    );
  });
});
