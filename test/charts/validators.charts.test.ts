import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { compileCustomResources } from './typed-crds.ts';
import { faultsOf } from './validators.ts';

type Values = { [key: string]: unknown };

describe('the validators', () => {
  const labels = { app: 'a' };
  const deployment = (change: (pod: Values, spec: Values) => void): KubernetesObject => {
    const container: Values = { name: 'a', image: 'a:1', resources: { limits: { cpu: '100m', memory: '128Mi' } } };
    const pod: Values = { containers: [container] };
    const spec: Values = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } };
    change(container, spec);
    return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec } as KubernetesObject;
  };
  const route = (rule: object): KubernetesObject =>
    ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'a' },
      spec: { rules: [rule] },
    }) as KubernetesObject;

  const mutants: [string, KubernetesObject][] = [
    ['a misspelt field', deployment((container) => (container.imagePulPolicy = 'Always'))],
    ['a misspelt field of the pod', deployment((_, spec) => (spec.tempalte = {}))],
    ['a string for a number', deployment((_, spec) => (spec.replicas = '2'))],
    ['no selector', deployment((_, spec) => delete spec.selector)],
    ['no container name', deployment((container) => delete container.name)],
    ['a bad quantity', deployment((container) => (container.resources = { limits: { cpu: '100 milli' } }))],
    ['an object for a list', deployment((container) => (container.env = {}))],
    ['a number for a string', deployment((container) => (container.env = [{ name: 'A', value: 1 }]))],
    [
      'a status code that is not one',
      route({ filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 999 } }] }),
    ],
    ['an unknown filter', route({ filters: [{ type: 'RequestRedirekt' }] })],
    ['a kind nobody knows', { apiVersion: 'v1', kind: 'Deploiment', metadata: { name: 'a' } }],
    [
      'a kind of a group that has none',
      { apiVersion: 'externaldns.aks.azure.com/v1alpha1', kind: 'ExternalDNS', metadata: { name: 'a' } },
    ],
    [
      'Azure’s DNS without its zones',
      {
        ...{ apiVersion: 'approuting.kubernetes.azure.com/v1alpha1', kind: 'ExternalDNS', metadata: { name: 'a' } },
        spec: { resourceName: 'a', resourceTypes: ['gateway'], identity: { serviceAccount: 'a' } },
      } as KubernetesObject,
    ],
    [
      'a secret provider with a typo',
      { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass', metadata: { name: 'a' } },
    ],
  ];
  it('take a good object', () => assert.deepEqual(faultsOf(deployment(() => {})), []));
  for (const [what, object] of mutants) {
    it(`refuse ${what}`, () => assert.notDeepEqual(faultsOf(object), []));
  }

  it('refuse a field that no type of a custom resource has', async () => {
    const good = { matches: [{ path: { type: 'PathPrefix', value: '/' } }] };
    assert.deepEqual(await compileCustomResources([route(good)]), []);
    assert.equal((await compileCustomResources([route({ ...good, matchs: [] })])).length, 1);
  });
});
