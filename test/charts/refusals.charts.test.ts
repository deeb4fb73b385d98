import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import type { HelmVersion } from './helm.ts';
import { copyCharts, render, type Scenario, scenarios } from './render.ts';

const all = await scenarios();
const named = (name: string) => all.find((scenario) => scenario.name === name) as Scenario;

/** Values that must be refused, each alone, and the key the refusal must name. */
const wrong: Record<string, [values: object, names: string][]> = {
  'web-frontend/alone': [
    [{ replica: 2 }, 'replica'],
    [{ replicas: 0 }, 'replicas'],
    [{ replicas: '2' }, 'replicas'],
    [{ replicas: 2.5 }, 'replicas'],
    [{ image: { repo: 'a' } }, 'repo'],
    [{ image: { tag: 'latest' } }, 'tag'],
    [{ image: { digest: 'sha256:abc' } }, 'digest'],
    [{ image: { repository: 'Upper' } }, 'repository'],
    [{ resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '100 milli', memory: '1Gi' } } }, 'cpu'],
    [{ resources: { limits: { gpu: 1 } } }, 'gpu'],
    [{ autoscaling: { enable: true } }, 'enable'],
    [{ autoscaling: { targetCpuPercent: 101 } }, 'targetCpuPercent'],
    [{ keda: { triggers: [{ type: 'cron' }] } }, 'metadata'],
    [{ pdb: { minAvailable: 1 } }, 'minAvailable'],
    [{ serviceAccount: { name: 'Not A Name' } }, 'name'],
    [{ log: { level: 'verbose' } }, 'level'],
    [{ lostNodeSeconds: '30' }, 'lostNodeSeconds'],
    [{ lostNodeSeconds: -1 }, 'lostNodeSeconds'],
    [{ traceViewerUrl: 'http://localhost:4318/traces' }, 'traceViewerUrl'],
    [{ global: { image: { preloaded: 'always' } } }, 'preloaded'],
    [{ shutdownDelayMs: -1 }, 'shutdownDelayMs'],
    [{ drainMs: 60_000 }, 'drainMs'],
    [{ entra: { clientId: 'not-a-guid' } }, 'clientId'],
    [{ entra: { tenantId: '' } }, 'tenantId'],
    [{ session: { existingSecret: 'web-session' } }, 'existingSecret'],
    [{ session: { secret: 'plain' } }, 'secret'],
    [{ broker: { url: 'token-broker:8080' } }, 'url'],
    [{ apis: { orders: { scopes: 'one two' } } }, 'scopes'],
    [{ apis: { orders: { scopes: [] } } }, 'scopes'],
    [{ apis: { orders: { routes: [{ methods: ['TRACE'], path: '/' }] } } }, 'methods'],
    [{ apis: { orders: { routes: [{ methods: ['GET'], path: '/', encodedSlashes: 'always' }] } } }, 'encodedSlashes'],
    [{ upstreams: { shop: { url: 'http://shop', require: 'login' } } }, 'require'],
    [{ upstreams: { shop: { url: 'http://shop/path' } } }, 'url'],
    [{ upstreams: { shop: { urls: [] } } }, 'urls'],
    [{ verify: { enabled: 'always' } }, 'enabled'],
    [{ apis: { Orders: { scopes: ['a'] } } }, 'Orders'],
    [{ cookie: { sameSite: 'none' } }, 'sameSite'],
    [{ signInScopes: 'openid offline_access' }, 'signInScopes'],
    [{ signInScopes: ['openid offline_access'] }, 'signInScopes'],
    [{ responseMode: 'fragment' }, 'responseMode'],
    [{ trustedProxies: 'everyone' }, 'trustedProxies'],
    [{ trustedProxies: '10.244.0.0/16, 0.0.0.0/0' }, 'trustedProxies'],
    [{ trustedProxies: ['10.244.0.0/16'] }, 'trustedProxies'],
    [{ keyVault: { name: 'under_score' } }, 'name'],
    [{ networkPolicy: { from: [] } }, 'from'],
    [{ networkPolicy: { enabled: false } }, 'enabled'],
    [{ extraEnv: { A: 'b' } }, 'extraEnv'],
    [{ extraEnv: [{ value: 'b' }] }, 'name'],
    [{ podLabels: { a: 1 } }, 'podLabels'],
    [{ global: { publicBaseUrl: 'http://signin.example.com' } }, 'publicBaseUrl'],
    [{ global: { publicBaseUrl: 'https://signin.example.com/' } }, 'publicBaseUrl'],
    [{ global: { publicBaseUrls: ['https://a.example.com/shop/'] } }, 'publicBaseUrls'],
    [{ global: { publicBaseUrls: ['http://a.example.com'] } }, 'publicBaseUrls'],
    [{ global: { publicBaseUrls: ['https://me@a.example.com'] } }, 'publicBaseUrls'],
    [{ global: { publicBaseUrls: 'https://a.example.com' } }, 'publicBaseUrls'],
    [{ global: { entra: { authorityHost: 'https://contoso.b2clogin.com' } } }, 'authorityHost'],
    [{ global: { entra: { tenantId: 'consumers' } } }, 'tenantId'],
    [{ global: { image: { tags: 'x' } } }, 'tags'],
    [{ global: { image: { pullPolicy: 'Sometimes' } } }, 'pullPolicy'],
    [{ global: { otel: { protocol: 'http' } } }, 'protocol'],
    [{ global: { otel: { tracesSampler: 'jaeger_remote' } } }, 'tracesSampler'],
    [{ global: { otel: { nodePorts: ['28331'] } } }, 'nodePorts'],
    [{ global: { otel: { nodePorts: [0] } } }, 'nodePorts'],
    [{ global: { otel: { nodes: [] } } }, 'nodes'],
    [{ global: { otel: { tracesSamplerArg: '5%' } } }, 'tracesSamplerArg'],
    [{ global: { metrics: { podMonitor: { apiVersion: 'v1' } } } }, 'apiVersion'],
    [{ global: { networkPolicy: { flavor: 'calico' } } }, 'flavor'],
    [{ global: { networkPolicy: { enable: true } } }, 'enable'],
    [{ autoscaling: { enabled: true } }, 'exclude each other'],
    [{ shutdownDelayMs: 20_000, drainMs: 20_000 }, '35000'],
  ],
  'token-broker/alone': [
    [{ clients: { orders: { clientID: 'x' } } }, 'clientID'],
    [{ clients: { orders: { clientId: 'x' } } }, 'clientId'],
    [{ clients: { orders: { tenantId: 'consumers' } } }, 'tenantId'],
    [{ clients: { orders: { grants: ['password'] } } }, 'grants'],
    [{ clients: { orders: { subjects: ['orders'] } } }, 'subjects'],
    [{ clients: { orders: { charts: 'web-frontend' } } }, 'charts'],
    [{ clients: { orders: { credentials: [] } } }, 'credentials'],
    [{ clients: { orders: { authentication: [{ type: 'client_secret', value: 'plain' }] } } }, 'authentication'],
    [{ clients: { orders: { authentication: [{ type: 'none' }] } } }, 'authentication'],
    [{ clients: { orders: { credentials: [{ type: 'secret', value: 'plain' }] } } }, 'credentials'],
    [
      { clients: { orders: { credentials: [{ type: 'federated', existingSecret: { name: 'a', key: 'b' } }] } } },
      'credentials',
    ],
    [{ clients: { orders: { credentials: [{ type: 'certificate', existingSecret: { name: 'a' } }] } } }, 'credentials'],
    [
      {
        clients: {
          orders: { credentials: [{ type: 'secret', existingSecret: { name: 'a', key: 'b' }, sendX5c: true }] },
        },
      },
      'credentials',
    ],
    [
      {
        clients: {
          orders: { credentials: [{ type: 'certificate', existingSecret: { name: 'a', key: 'b', passwordKey: '/' } }] },
        },
      },
      'credentials',
    ],
    [{ clients: { orders: { permissions: ['admin'] } } }, 'permissions'],
    [{ callers: { issuer: 'kubernetes' } }, 'issuer'],
    [{ callers: { caConfigMap: 'ca' } }, 'caConfigMap'],
    [{ sealing: { key: 'plain' } }, 'key'],
    [{ redis: { url: 'rediss://user:password@redis.example.com:6380' } }, 'url'],
    [{ redis: { url: 'https://redis.example.com' } }, 'url'],
    [{ redis: { mode: 'sentinels' } }, 'mode'],
    [{ redis: { cluster: { nodes: 'elsewhere' } } }, 'nodes'],
    [{ redis: { sentinel: { urls: 'redis://a:26379' } } }, 'urls'],
    [{ redis: { sentinel: { urls: ['rediss://user:password@a:26379'] } } }, 'urls'],
    [{ redis: { sentinel: { master: 'a master' } } }, 'master'],
    [{ redis: { sentinel: { password: 'plain' } } }, 'password'],
    [{ redis: { clientCertificate: { existingSecret: { name: 'a', key: '/' } } } }, 'key'],
    [{ redis: { auth: { type: 'entra' } } }, 'auth'],
    [{ redis: { auth: { type: 'password', password: 'plain' } } }, 'auth'],
    [{ redis: { egressCidrs: ['10.0.0.1'] } }, 'egressCidrs'],
    [{ federation: { webhook: 'always' } }, 'webhook'],
    [{ l1: { maxBytes: '64Mi' } }, 'maxBytes'],
    [{ l1: { maxUnverifiedSeconds: 601 } }, 'maxUnverifiedSeconds'],
    [{ session: { idleSeconds: 1 } }, 'idleSeconds'],
  ],
  'downstream-api/alone': [
    [{ entra: { audience: 'api://onbehalf' } }, 'audience'],
    [{ entra: { tenants: ['organizations'] } }, 'tenants'],
    [{ graph: { url: 'https://graph.microsoft.com' } }, 'url'],
    [{ graph: { baseUrl: 'https://graph.microsoft.com/v1.0' } }, 'baseUrl'],
  ],
  'onbehalf/facts': [
    [{ gatway: {} }, 'gatway'],
    [{ gateway: { class: 'x' } }, 'class'],
    [{ gateway: { tls: { keyVaultCertUri: 'signin' } } }, 'keyVaultCertUri'],
    [
      { gateway: { tls: { keyVaultCertUri: 'https://a.vault.azure.net/certificates/b' } } },
      'gateway.tls.serviceAccount',
    ],
    [{ gateway: { tls: { secretName: '' } } }, 'gateway.tls.secretName'],
    [{ gateway: { create: false } }, 'gateway.parentRefs'],
    [{ gateway: { annotations: [] } }, 'annotations'],
    [{ gateway: { labels: { a: 1 } } }, 'labels'],
    [{ gateway: { infrastructure: { annotation: {} } } }, 'annotation'],
    [{ gateway: { infrastructure: { parametersRef: { name: 'a' } } } }, 'parametersRef'],
    [{ gateway: { addresses: ['10.0.0.1'] } }, 'addresses'],
    [{ gateway: { addresses: [{ type: 'Port', value: '1' }] } }, 'type'],
    [{ gateway: { create: false, parentRefs: [{ name: 'a' }], annotations: { a: 'b' } } }, 'gateway.annotations needs'],
    [{ gateway: { create: false, parentRefs: [{ name: 'a' }], labels: { a: 'b' } } }, 'gateway.labels needs'],
    [
      { gateway: { create: false, parentRefs: [{ name: 'a' }], infrastructure: { labels: { a: 'b' } } } },
      'gateway.infrastructure needs',
    ],
    [
      {
        gateway: { create: false, parentRefs: [{ name: 'a' }], addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] },
      },
      'gateway.addresses needs',
    ],
    [{ route: { enabled: 'never' } }, 'enabled'],
    [{ route: false }, 'route'],
    [{ ingress: { enabled: 'always' } }, 'enabled'],
    [{ ingress: { class: 'nginx' } }, 'class'],
    [{ ingress: { enabled: true, className: 'Not A Name' } }, 'className'],
    [{ ingress: { enabled: true, annotations: { a: true } } }, 'annotations'],
    [{ ingress: { enabled: true, tls: [{ secretName: 'a' }] } }, 'tls'],
    [{ ingress: { className: 'nginx' } }, 'need ingress.enabled'],
    [{ ingress: { annotations: { a: 'b' } } }, 'need ingress.enabled'],
    [{ ingress: { tls: { secretName: 'a' } } }, 'need ingress.enabled'],
    [{ alerts: true }, 'alerts'],
    [{ alerts: { runbookUrl: 'docs/runbook.md' } }, 'runbookUrl'],
    [{ alerts: { runbookUrl: 'https://wiki.example.com/runbook#top' } }, 'runbookUrl'],
    [{ alerts: { ownNamespaceOnly: 'always' } }, 'ownNamespaceOnly'],
    [{ alerts: { labels: { team: 1 } } }, 'team'],
    [{ alerts: { rules: { TokenSlow: { enabled: false } } } }, 'TokenSlow'],
    [{ alerts: { rules: { OnbehalfTokenSlow: { treshold: 0.1 } } } }, 'treshold'],
    [{ alerts: { rules: { OnbehalfTokenSlow: { threshold: '20ms' } } } }, 'threshold'],
    [{ alerts: { rules: { OnbehalfTokenSlow: { for: '5 minutes' } } } }, 'for'],
    [{ alerts: { rules: { OnbehalfTokenSlow: { severity: 'page' } } } }, 'severity'],
    [
      { alerts: { enabled: true, rules: { OnbehalfServiceGone: { threshold: 1 } } } },
      'OnbehalfServiceGone has no threshold',
    ],
    [{ 'token-broker': { redis: { uri: 'x' } } }, 'uri'],
    [{ 'web-frontend': { cookies: {} } }, 'cookies'],
    [{ 'web-frontend': { trustedProxies: '*' } }, 'trustedProxies'],
  ],
  'dev/kind': [
    [{ valkey: { persistence: true } }, 'persistence'],
    [{ entraEmulator: { browserOrigin: 'localhost' } }, 'browserOrigin'],
    [{ entraEmulator: { brokerServiceAccounts: [] } }, 'brokerServiceAccounts'],
    [{ global: { image: { preloaded: 1 } } }, 'preloaded'],
  ],
};

/** What no default can know: a bare install fails and says which key. */
type Required = [scenario: string, unset: object, names: string];
const required: Required[] = [
  ...['web-frontend', 'token-broker', 'downstream-api'].map(
    (chart): Required => [
      `${chart}/alone`,
      { global: { image: { registry: '' } } },
      'global.image.registry is required',
    ],
  ),
  ['onbehalf/facts', { global: { image: { registry: '' } } }, 'global.image.registry is required'],
  ['dev/kind', { global: { image: { preloaded: false } } }, 'global.image.registry is required'],
  ['web-frontend/alone', { global: { publicBaseUrl: '' } }, 'global.publicBaseUrl is required'],
  ['web-frontend/alone', { global: { publicBaseUrls: ['https://b.example.com'] } }, 'not both'],
  ['web-frontend/alone', { global: { entra: { tenantId: '' } } }, 'global.entra.tenantId is required'],
  ['web-frontend/alone', { entra: { clientId: '' } }, 'entra.clientId is required'],
  ['web-frontend/alone', { verify: { from: [] } }, 'verify.from is required'],
  ['web-frontend/alone', { session: { existingSecret: { name: '' } } }, 'session.existingSecret.name is required'],
  ['web-frontend/alone', { keyVault: { enabled: true } }, 'keyVault.clientId is required'],
  ['token-broker/alone', { clients: null }, 'clients is required'],
  [
    'token-broker/alone',
    { keyVault: { enabled: true, name: 'vault', clientId: '44444444-4444-4444-8444-444444444444' } },
    'keyVault.objects is required',
  ],
  ['token-broker/alone', { autoscaling: { enabled: false }, keda: { enabled: true } }, 'keda.triggers is required'],
  ['token-broker/alone', { callers: { issuer: '' } }, 'callers.issuer is required'],
  ['token-broker/alone', { sealing: { existingSecret: { name: '' } } }, 'sealing.existingSecret.name is required'],
  ['token-broker/alone', { redis: { url: '' } }, 'redis.url is required'],
  ['token-broker/kind', { redis: { allowPlaintext: false } }, 'redis.url must be rediss://'],
  ['token-broker/alone', { redis: { mode: 'sentinel' } }, 'redis.sentinel.urls is required'],
  [
    'token-broker/alone',
    { redis: { mode: 'sentinel', sentinel: { urls: ['rediss://a:26379'] } } },
    'redis.sentinel.master is required',
  ],
  [
    'token-broker/alone',
    { redis: { mode: 'sentinel', sentinel: { urls: ['redis://a:26379'], existingSecret: { name: 'a' } } } },
    'redis.sentinel.urls must be rediss://',
  ],
  ['downstream-api/alone', { entra: { audience: '' } }, 'entra.audience is required'],
  ['onbehalf/facts', { 'token-broker': { clients: { web: { clientId: '' } } } }, 'clients.web.clientId is required'],
  ['onbehalf/facts', { 'web-frontend': { trustedProxies: '' } }, 'web-frontend.trustedProxies is required'],
  ['onbehalf/no-netpol', { 'web-frontend': { trustedProxies: '' } }, 'web-frontend.trustedProxies is required'],
  ['dev/kind', { valkey: { existingSecret: { name: '' } } }, 'valkey.existingSecret.name is required'],
];

for (const version of ['4.1.4', '3.17.2'] as HelmVersion[]) {
  describe(`Helm ${version} refuses`, () => {
    let charts: string;
    before(async () => {
      charts = await copyCharts(version);
    });
    for (const [scenario, rows] of Object.entries(wrong)) {
      for (const [set, names] of rows) {
        it(`${scenario} with ${stringify(set, { collectionStyle: 'flow' }).trim()}`, async () => {
          await assert.rejects(render(charts, named(scenario), { version, set }), ({ message }: Error) =>
            message.includes(names),
          );
        });
      }
    }
    for (const [scenario, set, names] of required) {
      it(`${scenario} when ${names}`, async () => {
        await assert.rejects(render(charts, named(scenario), { version, set }), ({ message }: Error) =>
          message.includes(names),
        );
      });
    }
  });
}
