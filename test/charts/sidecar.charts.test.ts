import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import { readConfig } from '../../services/sidecar/src/config.ts';
import { environmentOf, readSidecarContainer } from '../kit/sidecar-container.ts';
import { copyCharts, objectsOf, ofKind, render, scenarios } from './render.ts';
import { faultsOf } from './validators.ts';

const { container, pod } = await readSidecarContainer();

describe('the container that docs/sidecar.md shows', () => {
  it('makes a valid pod beside an app, as a native sidecar that the app waits for', () => {
    const spec = { containers: [{ name: 'app', image: 'app:1' }], ...pod };
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'app' }, spec } as KubernetesObject;
    assert.deepEqual(faultsOf(object), []);
    assert.deepEqual([container.restartPolicy, container.startupProbe?.httpGet?.path], ['Always', '/readyz']);
    assert.equal(container.image?.replace(/^.*\//, ''), 'sidecar:1.2.3');
  });

  it('is configured whole: it starts with these variables', () => {
    const { apis, entra, broker } = readConfig(environmentOf(container));
    assert.deepEqual([...apis.keys()], ['graph']);
    assert.equal(entra.tenant, 'c0a70500-7e57-4000-8000-000000000001');
    assert.equal(broker.url, 'http://onbehalf-token-broker.onbehalf.svc:8080');
  });

  it('shows kubelet its admin port alone', () => {
    const { admin, http } = readConfig(environmentOf(container));
    assert.deepEqual(
      container.ports?.map(({ name, containerPort }) => [name, containerPort]),
      [['admin', admin.port]],
    );
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe])
      assert.equal(probe?.httpGet?.port, 'admin');
    assert.deepEqual([http.host, http.port], ['127.0.0.1', 5_178]);
  });

  it('is as confined, and proves itself to the broker by as short-lived a token, as the charts’ own services', async () => {
    const scenario = (await scenarios()).find(({ name }) => name === 'onbehalf/facts');
    assert.ok(scenario);
    const objects = objectsOf(await render(await copyCharts(), scenario));
    const deployments = ofKind<V1Deployment>(objects, 'Deployment');
    const api = deployments.find(({ metadata }) => metadata?.name?.endsWith('downstream-api'))?.spec?.template.spec;
    const { runAsNonRoot, runAsUser, seccompProfile } = api?.securityContext ?? {};
    const confined = { ...api?.containers[0]?.securityContext, runAsNonRoot, runAsUser, seccompProfile };
    assert.deepEqual(container.securityContext, confined);
    const tokens = (spec: typeof pod | undefined) =>
      spec?.volumes?.flatMap(
        ({ projected }) => projected?.sources?.flatMap((one) => one.serviceAccountToken ?? []) ?? [],
      );
    const [ours] = tokens(api) ?? [];
    const [theirs] = tokens(pod) ?? [];
    assert.equal(theirs?.audience, ours?.audience);
    assert.ok(Number(theirs?.expirationSeconds) <= Number(ours?.expirationSeconds));
    const [{ mountPath, readOnly } = { mountPath: '', readOnly: false }] = container.volumeMounts ?? [];
    const file = readConfig(environmentOf(container)).broker.assertion;
    assert.deepEqual([file, readOnly], [`${mountPath}/${theirs?.path}`, true]);
  });
});
