import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type {
  KubernetesObject,
  V1ConfigMap,
  V1Deployment,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1Service,
} from '@kubernetes/client-node';
import { apisSchema } from '@onbehalf/node/web/apis/apis';
import * as downstreamApi from '../../services/downstream-api/src/config.ts';
import { clientsSchema } from '../../services/token-broker/src/clients/clients.ts';
import * as tokenBroker from '../../services/token-broker/src/config.ts';
import * as webFrontend from '../../services/web-frontend/src/config.ts';
import { upstreamsSchema } from '../../services/web-frontend/src/upstreams/file/upstreams-file.ts';
import { copyCharts, objectsOf, ofKind, render, scenarios } from './render.ts';

const services = { 'web-frontend': webFrontend, 'token-broker': tokenBroker, 'downstream-api': downstreamApi };
const all = (await scenarios()).filter(({ chart }) => chart !== 'dev');

/**
 * A pod listens on every address, which is what an unset key means; an issuer without TLS is for development.
 */
const neverRendered = ['BIND_ADDRESS', 'CALLERS_ALLOW_PLAINTEXT'];

/** Node's and OpenTelemetry's own words, a proxy's, what they stand on, and the switch that loads telemetry before any config. */
const foreign = /^(NODE_|HTTPS?_PROXY$|NO_PROXY$|OTEL_|K8S_|METRICS_ENABLED$|EXTRA_ENV$)/;

describe('the environment of a pod', () => {
  const rendered = new Map<string, KubernetesObject[]>();
  before(async () => {
    const charts = await copyCharts();
    for (const scenario of all) rendered.set(scenario.name, objectsOf(await render(charts, scenario)));
  });

  /** Every scenario's environment of a service, by scenario. */
  function environments(service: string): [string, { name: string; value?: string }[]][] {
    return all.flatMap(({ name }) => {
      const container = ofKind<V1Deployment>(rendered.get(name) ?? [], 'Deployment')
        .flatMap(({ spec }) => spec?.template.spec?.containers ?? [])
        .find((one) => one.name === service);
      return container ? [[name, container.env ?? []] as [string, { name: string; value?: string }[]]] : [];
    });
  }

  for (const [service, { environment, readConfig }] of Object.entries(services)) {
    it(`of ${service} has the keys of its config, and its config has no other`, () => {
      const keys = Object.keys(environment.shape).filter((key) => !neverRendered.includes(key));
      const found = environments(service).flatMap(([, env]) => env.map(({ name }) => name));
      const own = [...new Set(found)].filter((name) => !foreign.test(name));
      assert.deepEqual(own.sort(), keys.sort());
    });

    it(`of ${service} is taken by its config in every scenario`, () => {
      assert.ok(environments(service).length > 10);
      for (const [scenario, env] of environments(service)) {
        const values = Object.fromEntries(env.map(({ name, value }) => [name, value]));
        // The webhook brings this one when the pod is made.
        if (scenario === 'onbehalf/aks-webhook') values.AZURE_FEDERATED_TOKEN_FILE = '/var/run/secrets/azure/token';
        assert.doesNotThrow(() => readConfig(values), scenario);
      }
    });

    it(`of ${service} names no key twice and refers only to keys before it`, () => {
      for (const [scenario, env] of environments(service)) {
        const names = env.map(({ name }) => name);
        assert.equal(new Set(names).size, names.length, scenario);
        env.forEach(({ value = '' }, at) => {
          for (const [, reference] of value.matchAll(/\$\((\w+)\)/g)) {
            assert.ok(names.slice(0, at).includes(reference ?? ''), `${scenario}: ${reference}`);
          }
        });
      }
    });
  }

  it('has no word of telemetry unless an endpoint is given', () => {
    const withOtel = environments('token-broker').filter(([, env]) => env.some(({ name }) => name.startsWith('OTEL_')));
    assert.deepEqual(withOtel.map(([scenario]) => scenario).sort(), [
      'onbehalf/cilium',
      'onbehalf/kind',
      'token-broker/kind',
    ]);
  });

  it('comes with files that the services take', () => {
    const files = all.flatMap(({ name }) =>
      ofKind<V1ConfigMap>(rendered.get(name) ?? [], 'ConfigMap').flatMap(({ data }) => Object.entries(data ?? {})),
    );
    const schemas = { 'clients.json': clientsSchema, 'apis.json': apisSchema };
    for (const [file, schema] of Object.entries(schemas)) {
      const contents = files.filter(([name]) => name === file).map(([, content]) => content);
      assert.ok(contents.length > 10, file);
      for (const content of contents) assert.doesNotThrow(() => schema.parse(JSON.parse(content)), content);
    }
  });

  it('puts an app behind the frontend, and lets its pods reach that app and no other', () => {
    const objects = rendered.get('web-frontend/alone') ?? [];
    const files = ofKind<V1ConfigMap>(objects, 'ConfigMap').map(({ data }) => data?.['upstreams.json']);
    const file = JSON.parse(files.find(Boolean) ?? '');
    const around = { publicHosts: ['signin.example.com'], own: { hosts: [], ports: [] }, apis: ['orders'] };
    const schema = upstreamsSchema({ ...around, brokerUrl: 'http://token-broker.identity.svc:8080' });
    assert.deepEqual(
      schema.parse(file).map(({ name }) => name),
      ['assets', 'shop'],
    );
    const rules = ofKind<V1NetworkPolicy>(objects, 'NetworkPolicy').flatMap(({ spec }) => spec?.egress ?? []);
    const opened = rules.filter(({ ports }) => ports?.some(({ port }) => String(port) === '3000'));
    assert.equal(opened.length, 1);
    assert.deepEqual(opened[0]?.to?.[0]?.podSelector?.matchLabels, { app: 'shop' });
  });

  it('opens the port at which gateways ask for tokens to them alone, and only where it is asked for', () => {
    const portsOf = (scenario: string) =>
      ofKind<V1Service>(rendered.get(scenario) ?? [], 'Service')
        .filter(({ metadata }) => metadata?.name?.endsWith('web-frontend'))
        .flatMap(({ spec }) => spec?.ports?.map(({ port }) => port));
    assert.deepEqual(portsOf('web-frontend/alone'), [8080, 8081]);
    assert.deepEqual(portsOf('web-frontend/kind'), [8080]);
    const policies = ofKind<V1NetworkPolicy>(rendered.get('web-frontend/alone') ?? [], 'NetworkPolicy');
    const rules = policies.flatMap(({ spec }) => spec?.ingress ?? []);
    const [rule] = rules.filter(({ ports }) => ports?.some(({ port }) => String(port) === '8081'));
    const { from = rule?._from } = (rule ?? {}) as { from?: V1NetworkPolicyPeer[] };
    assert.deepEqual(
      from?.map(({ namespaceSelector }) => namespaceSelector?.matchLabels),
      [{ 'kubernetes.io/metadata.name': 'traefik' }],
    );
  });

  it('fills in what the release knows: subjects and redirect URIs', () => {
    const data = ofKind<V1ConfigMap>(rendered.get('onbehalf/facts') ?? [], 'ConfigMap').find(
      (map) => map.data?.['clients.json'],
    );
    const clients = JSON.parse(data?.data?.['clients.json'] ?? '');
    assert.deepEqual(clients.web.subjects, ['system:serviceaccount:onbehalf:onbehalf-web-frontend']);
    assert.deepEqual(clients.web.redirectUris, ['https://signin.example.com/auth/callback']);
    assert.deepEqual(clients.api.subjects, ['system:serviceaccount:onbehalf:onbehalf-downstream-api']);
  });

  it('names the proxy for every service, and reaches the cluster without it', () => {
    for (const service of Object.keys(services)) {
      const [, env = []] = environments(service).find(([scenario]) => scenario === 'onbehalf/everything') ?? [];
      const proxy = env.filter(({ name }) => name.endsWith('_PROXY')).map(({ name, value }) => [name, value]);
      assert.deepEqual(proxy, [
        ['HTTPS_PROXY', 'http://proxy.example.com:3128'],
        ['NO_PROXY', 'localhost,127.0.0.1,.svc,.cluster.local,.corp.example.com'],
      ]);
    }
  });

  it("names the files of a client's own proofs where the pod has them", () => {
    const objects = rendered.get('token-broker/alone') ?? [];
    const data = ofKind<V1ConfigMap>(objects, 'ConfigMap').find((map) => map.data?.['clients.json'])?.data;
    const { gateway, orders } = JSON.parse(data?.['clients.json'] ?? '');
    const directory = '/var/run/secrets/onbehalf/credentials';
    assert.deepEqual(gateway.authentication, [
      { type: 'private_key_jwt', file: `${directory}/gateway/authentication/0/jwks.json` },
      { type: 'client_secret', file: `${directory}/gateway/authentication/1/secret` },
    ]);
    assert.ok(!('authentication' in orders), 'off unless said');
    const [deployment] = ofKind<V1Deployment>(objects, 'Deployment');
    const volumes =
      deployment?.spec?.template.spec?.volumes?.flatMap(({ projected }) => projected?.sources ?? []) ?? [];
    const paths = volumes.flatMap(({ secret }) => secret?.items?.map(({ path }) => `${directory}/${path}`) ?? []);
    for (const { file } of gateway.authentication) assert.ok(paths.includes(file), file);
  });

  it('names the files of a certificate where the pod has them', () => {
    const objects = rendered.get('onbehalf/certificate') ?? [];
    const data = ofKind<V1ConfigMap>(objects, 'ConfigMap').find((map) => map.data?.['clients.json'])?.data;
    const { credentials } = JSON.parse(data?.['clients.json'] ?? '').api;
    const directory = '/var/run/secrets/onbehalf/credentials';
    const [tls, pfx] = [`${directory}/api/0`, `${directory}/api/1`];
    assert.deepEqual(credentials, [
      { type: 'certificate', file: `${tls}/tls.crt`, keyFile: `${tls}/tls.key`, sendX5c: true },
      { type: 'certificate', file: `${pfx}/api.pfx`, passwordFile: `${pfx}/password` },
    ]);
    const spec = ofKind<V1Deployment>(objects, 'Deployment').find(({ metadata }) =>
      metadata?.name?.endsWith('token-broker'),
    )?.spec?.template.spec;
    const mounted = spec?.containers[0]?.volumeMounts?.find(({ mountPath }) => mountPath === directory)?.name;
    const volume = spec?.volumes?.find(({ name }) => name === mounted)?.projected;
    const paths = volume?.sources?.flatMap(
      ({ secret }) => secret?.items?.map(({ path }) => `${directory}/${path}`) ?? [],
    );
    const named = credentials.flatMap((one: object) =>
      Object.values(one).filter((value) => String(value).startsWith(directory)),
    );
    assert.equal(named.length, 4);
    for (const path of named) assert.ok(paths?.includes(path), path);
  });
});
