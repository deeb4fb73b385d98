import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { KubernetesObject, V1Ingress, V1NetworkPolicy } from '@kubernetes/client-node';
import { copyCharts, objectsOf, ofKind, render, type Scenario, scenarios } from './render.ts';

type Gateway = KubernetesObject & {
  spec: {
    gatewayClassName: string;
    listeners?: { name: string; hostname: string }[];
    addresses?: { type: string; value: string }[];
    infrastructure?: { annotations?: Record<string, string>; labels?: Record<string, string> };
  };
};

type Route = KubernetesObject & {
  spec: {
    hostnames: string[];
    parentRefs: { sectionName: string }[];
    rules: { matches?: { path: { value: string } }[] }[];
  };
};

const all = await scenarios();
const scenario = (name: string) => all.find((one) => one.name === `onbehalf/${name}`) as Scenario;

describe('the way in', () => {
  let charts: string;
  before(async () => {
    charts = await copyCharts();
  });
  const objects = async (name: string, set?: object) =>
    objectsOf(await render(charts, scenario(name), set ? { set } : {}));
  const gatewayKinds = (of: KubernetesObject[]) =>
    of.filter(({ apiVersion = '' }) => apiVersion.startsWith('gateway.networking.k8s.io/'));
  const peersOf = (of: KubernetesObject[]) =>
    ofKind<V1NetworkPolicy>(of, 'NetworkPolicy').find(({ metadata }) => metadata?.name === 'onbehalf-web-frontend')
      ?.spec?.ingress?.[0];

  for (const name of ['ingress-nginx', 'traefik']) {
    it(`is an Ingress for ${name}, with nothing of the Gateway API, open to its controller`, async () => {
      const rendered = await objects(name);
      assert.deepEqual(gatewayKinds(rendered), []);
      const [ingress] = ofKind<V1Ingress>(rendered, 'Ingress');
      assert.deepEqual(ingress?.spec?.tls, [{ hosts: ['signin.example.com'], secretName: 'signin-tls' }]);
      assert.equal(ingress?.spec?.ingressClassName, name.replace('ingress-', ''));
      const [rule] = ingress?.spec?.rules ?? [];
      assert.equal(rule?.host, 'signin.example.com');
      assert.deepEqual(rule?.http?.paths, [
        {
          path: '/',
          pathType: 'Prefix',
          backend: { service: { name: 'onbehalf-web-frontend', port: { name: 'http' } } },
        },
      ]);
      assert.match(JSON.stringify(peersOf(rendered)), new RegExp(`"kubernetes.io/metadata.name":"${name}"`));
    });
  }

  it('is a listener and a route for each host, by the paths of its public URLs, and the redirect URIs of all', async () => {
    const rendered = await objects('locations');
    const [gateway] = ofKind<Gateway>(rendered, 'Gateway');
    assert.deepEqual(
      gateway?.spec.listeners?.map(({ name, hostname }) => [name, hostname]),
      [
        ['http', 'signin.example.com'],
        ['https', 'signin.example.com'],
        ['http-2', 'intranet.example.com'],
        ['https-2', 'intranet.example.com'],
      ],
    );
    const routes = ofKind<Route>(rendered, 'HTTPRoute').map(({ metadata, spec }) => ({
      name: metadata?.name,
      hosts: spec.hostnames,
      sections: spec.parentRefs.map(({ sectionName }) => sectionName),
      paths: spec.rules[0]?.matches?.map(({ path }) => path.value),
    }));
    assert.deepEqual(routes, [
      {
        ...{ name: 'onbehalf-redirect', hosts: ['signin.example.com', 'intranet.example.com'] },
        ...{ sections: ['http', 'http-2'], paths: undefined },
      },
      { name: 'onbehalf', hosts: ['signin.example.com'], sections: ['https'], paths: undefined },
      { name: 'onbehalf-2', hosts: ['intranet.example.com'], sections: ['https-2'], paths: ['/shop', '/hr'] },
    ]);
    const urls = ['https://signin.example.com', 'https://intranet.example.com/shop', 'https://intranet.example.com/hr'];
    const text = JSON.stringify(rendered);
    assert.ok(text.includes(`{"name":"PUBLIC_BASE_URLS","value":"${urls.join(',')}"}`));
    for (const url of urls) assert.ok(text.includes(`${url}/auth/callback`), url);
    const nginx = await objects('ingress-nginx', { global: { publicBaseUrl: '', publicBaseUrls: urls } });
    const [ingress] = ofKind<V1Ingress>(nginx, 'Ingress');
    assert.deepEqual(
      ingress?.spec?.rules?.map(({ host, http }) => [host, http?.paths.map(({ path }) => path)]),
      [
        ['signin.example.com', ['/']],
        ['intranet.example.com', ['/shop', '/hr']],
      ],
    );
  });

  it('tells ingress-nginx to hold heads of 16 KB, to stream, and to leave a pod that does not answer', async () => {
    const [ingress] = ofKind<V1Ingress>(await objects('ingress-nginx'), 'Ingress');
    const of = (key: string) => ingress?.metadata?.annotations?.[`nginx.ingress.kubernetes.io/${key}`];
    assert.deepEqual(
      ['proxy-buffer-size', 'proxy-buffering', 'proxy-request-buffering', 'proxy-next-upstream'].map(of),
      ['16k', 'off', 'off', 'error timeout'],
    );
  });

  it('asks Application Gateway for Containers for its frontend, and is open to its subnet', async () => {
    const rendered = await objects('application-gateway');
    const [gateway] = ofKind<Gateway>(rendered, 'Gateway');
    assert.equal(gateway?.spec.gatewayClassName, 'azure-alb-external');
    assert.deepEqual(gateway?.metadata?.annotations, {
      'alb.networking.azure.io/alb-namespace': 'alb',
      'alb.networking.azure.io/alb-name': 'onbehalf',
    });
    assert.deepEqual(gateway?.spec.addresses, [{ type: 'alb.networking.azure.io/alb-frontend', value: 'signin' }]);
    assert.match(JSON.stringify(peersOf(rendered)), /"ipBlock":\{"cidr":"10\.225\.0\.0\/24"\}/);
  });

  it('keeps Istio’s load balancer in the network, and lets cert-manager see the Gateway', async () => {
    const [gateway] = ofKind<Gateway>(await objects('istio'), 'Gateway');
    assert.equal(gateway?.spec.gatewayClassName, 'istio');
    assert.equal(gateway?.metadata?.annotations?.['cert-manager.io/cluster-issuer'], 'company');
    assert.equal(gateway?.metadata?.labels?.network, 'private');
    assert.deepEqual(gateway?.spec.infrastructure, {
      annotations: { 'service.beta.kubernetes.io/azure-load-balancer-internal': 'true' },
      labels: { network: 'private' },
    });
  });

  it('can be a Gateway without routes, an Ingress beside a Gateway, or somebody else’s', async () => {
    const kinds = async (name: string, set: object) =>
      (await objects(name, set))
        .map(({ kind }) => kind)
        .filter((kind) => /^(Gateway|HTTPRoute|Ingress)$/.test(kind ?? ''))
        .sort();
    assert.deepEqual(await kinds('facts', { route: { enabled: false } }), ['Gateway']);
    assert.deepEqual(await kinds('facts', { ingress: { enabled: true } }), [
      'Gateway',
      'HTTPRoute',
      'HTTPRoute',
      'Ingress',
    ]);
    assert.deepEqual(await kinds('facts', { gateway: { create: false }, route: { enabled: false } }), []);
    assert.deepEqual(await kinds('no-netpol', {}), ['HTTPRoute']);
  });

  it('takes the controller’s own class and certificate where none is named, and no TLS for plain http', async () => {
    const plain = { gateway: { create: false }, route: { enabled: false }, ingress: { enabled: true } };
    const spec = async (name: string) => ofKind<V1Ingress>(await objects(name, plain), 'Ingress')[0]?.spec;
    assert.deepEqual((await spec('facts'))?.tls, [{ hosts: ['signin.example.com'] }]);
    assert.equal((await spec('facts'))?.ingressClassName, undefined);
    const kind = await objects('kind', { ...plain, gateway: { create: false } });
    assert.equal(ofKind<V1Ingress>(kind, 'Ingress')[0]?.spec?.tls, undefined);
  });

  it('names the value that turns a kind off which the cluster lacks, and is silent where it has it', async () => {
    const rows: [name: string, lacks: string, off: string][] = [
      ['facts', 'gateway.networking.k8s.io/v1/Gateway', 'gateway.create: false'],
      ['no-netpol', 'gateway.networking.k8s.io/v1/HTTPRoute', 'route.enabled: false'],
      ['keda', 'keda.sh/v1alpha1/ScaledObject', 'keda.enabled: false'],
      ['cilium', 'monitoring.coreos.com/v1/PodMonitor', 'global.metrics.podMonitor.enabled: false'],
      ['cilium', 'monitoring.coreos.com/v1/PrometheusRule', 'alerts.enabled: false'],
      ['cilium', 'cilium.io/v2/CiliumNetworkPolicy', 'global.networkPolicy.flavor: kubernetes'],
      ['key-vault', 'secrets-store.csi.x-k8s.io/v1/SecretProviderClass', 'keyVault.enabled: false'],
    ];
    const every = ['v1/Namespace', ...rows.map(([, kind]) => kind)];
    const seen = (kinds: string[]) => ({ args: kinds.flatMap((kind) => ['--api-versions', kind]) });
    for (const [name, lacks, off] of rows) {
      await assert.doesNotReject(render(charts, scenario(name), seen(every)), name);
      const others = every.filter((kind) => kind !== lacks);
      await assert.rejects(render(charts, scenario(name), seen(others)), ({ message }: Error) =>
        message.includes(`this cluster has no ${lacks}: install what brings it, or set ${off}`),
      );
    }
  });
});
