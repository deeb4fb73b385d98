import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { KubernetesObject, V1ConfigMap, V1Deployment, V1Job, V1NetworkPolicy } from '@kubernetes/client-node';
import { readConfig } from '../../services/entra-emulator/src/config.ts';
import { readOptions } from '../../services/load-generator/src/options.ts';
import { edgesOf } from './edges.ts';
import { copyCharts, objectsOf, ofKind, render, type Scenario, scenarios } from './render.ts';
import { read } from './repository.ts';

const all = await scenarios();
const scenario = (name: string) => all.find((one) => one.name === name) as Scenario;

describe('the load Job', () => {
  let charts: string;
  let objects: KubernetesObject[];
  before(async () => {
    charts = await copyCharts();
    objects = objectsOf(await render(charts, scenario('dev/load')));
  });
  const jobOf = (of: KubernetesObject[]) => ofKind<V1Job>(of, 'Job')[0] ?? assert.fail('no Job');
  const podOf = (of: KubernetesObject[]) => jobOf(of).spec?.template.spec ?? assert.fail('no pod');
  const argsOf = (of: KubernetesObject[]) => podOf(of).containers[0]?.args ?? [];

  it('is not there unless it is asked for', async () => {
    const plain = objectsOf(await render(charts, scenario('dev/kind')));
    assert.deepEqual(ofKind(plain, 'Job'), []);
    assert.ok(!plain.some(({ metadata }) => metadata?.name === 'onbehalf-load'));
    assert.ok(!edgesOf(plain).some(({ from, to }) => from === 'load' || to === 'load'));
  });

  it('is indexed: as many completions as pods at once, each of which knows of how many it is one', () => {
    const { completionMode, completions, parallelism, ttlSecondsAfterFinished } = jobOf(objects).spec ?? {};
    assert.deepEqual([completionMode, completions, parallelism], ['Indexed', 2, 2]);
    assert.equal(ttlSecondsAfterFinished, 3_600);
    assert.equal(podOf(objects).restartPolicy, 'Never');
    const env = podOf(objects).containers[0]?.env ?? [];
    assert.equal(env.find(({ name }) => name === 'JOB_COMPLETIONS')?.value, '2');
  });

  it('keeps the log of every pod when one fails: no limit for all of them ends the others', () => {
    const { backoffLimit, backoffLimitPerIndex, maxFailedIndexes } = jobOf(objects).spec ?? {};
    assert.deepEqual([backoffLimitPerIndex, backoffLimit, maxFailedIndexes], [0, undefined, undefined]);
  });

  it('starts a file that is there, with options that it takes', async () => {
    const [file = '', ...args] = argsOf(objects);
    assert.match(await read('docker/load.Dockerfile'), /^COPY --from=build \/app \/app$/m);
    assert.ok((await read(file.replace('/app/', ''))).length > 0);
    const { names, rate, duration, users, replicas, url, entra } = readOptions(args);
    assert.deepEqual([names, rate, duration, users, replicas], [['l1'], 1_000, 120, 2_000, 2]);
    assert.deepEqual([url, entra], ['http://token-broker:8080', 'http://dev-entra-emulator:9440']);
    const unsaid = { load: { ratePerSecond: '', durationSeconds: '', users: '' } };
    const plain = readOptions(argsOf(objectsOf(await render(charts, scenario('dev/load'), { set: unsaid }))).slice(1));
    assert.deepEqual([plain.rate, plain.duration, plain.users], [undefined, undefined, undefined]);
  });

  it('is a caller of the broker, by its projected token', async () => {
    const pod = podOf(objects);
    assert.equal(pod.serviceAccountName, 'onbehalf-load');
    const volume = pod.volumes?.find(({ projected }) => projected);
    assert.deepEqual(
      volume?.projected?.sources?.map(({ serviceAccountToken }) => serviceAccountToken),
      [{ audience: 'token-broker', expirationSeconds: 600, path: 'assertion' }],
    );
    const mount = pod.containers[0]?.volumeMounts?.find(({ name }) => name === volume?.name);
    const file = readOptions(argsOf(objects).slice(1))['assertion-file'];
    assert.equal(file, join(mount?.mountPath ?? '', 'assertion'));
    const kind = scenario('token-broker/kind');
    const files = [...kind.files, '../dev/load-client-values.yaml'];
    const broker = objectsOf(await render(charts, { ...kind, files }));
    const map = ofKind<V1ConfigMap>(broker, 'ConfigMap').find(({ data }) => data?.['clients.json']);
    const clients = JSON.parse(map?.data?.['clients.json'] ?? '{}');
    assert.deepEqual(clients.load.subjects, ['system:serviceaccount:onbehalf:onbehalf-load']);
    assert.deepEqual(Object.keys(clients).sort(), ['api', 'load', 'web']);
  });

  it('keeps off the nodes of the brokers: strictly, or where it can', async () => {
    const term = {
      topologyKey: 'kubernetes.io/hostname',
      labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'token-broker' } },
    };
    assert.deepEqual(podOf(objects).affinity?.podAntiAffinity, {
      requiredDuringSchedulingIgnoredDuringExecution: [term],
    });
    const soft = objectsOf(
      await render(charts, scenario('dev/load'), { set: { load: { antiAffinity: 'preferred' } } }),
    );
    assert.deepEqual(podOf(soft).affinity?.podAntiAffinity, {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }],
    });
  });

  it('reaches the broker, the emulator’s pages and DNS, and is reached by nobody', () => {
    const show = ({ from, to, port, side }: ReturnType<typeof edgesOf>[number]) => `${side} ${from} -> ${to} : ${port}`;
    const edges = edgesOf(objects).filter(({ from, to }) => from === 'load' || to === 'load');
    assert.deepEqual([...new Set(edges.map(show))].sort(), [
      'egress load -> DNS : 53',
      'egress load -> entra-emulator : 9440',
      'egress load -> token-broker : 8080',
      'ingress load -> entra-emulator : 9440',
    ]);
    const policy = ofKind<V1NetworkPolicy>(objects, 'NetworkPolicy').find(
      ({ metadata }) => metadata?.name === 'dev-load',
    );
    const labels = jobOf(objects).spec?.template.metadata?.labels ?? {};
    for (const [name, value] of Object.entries(policy?.spec?.podSelector?.matchLabels ?? {}))
      assert.equal(labels[name], value);
    // The broker lets test pods in; nothing of the chart's version rolls pods.
    assert.deepEqual(
      Object.keys(labels).filter((name) => /chart|version/.test(name)),
      [],
    );
    assert.equal(labels['app.kubernetes.io/component'], 'test');
  });

  it('finds people at the emulator who sign in without a page', async () => {
    const emulator = ofKind<V1Deployment>(objects, 'Deployment').find(
      ({ metadata }) => metadata?.name === 'dev-entra-emulator',
    );
    const env = Object.fromEntries(
      (emulator?.spec?.template.spec?.containers[0]?.env ?? []).map(({ name, value }) => [name, value]),
    );
    const { people, interaction, signing } = readConfig(env).emulator;
    assert.deepEqual([people, interaction, signing], [2_000, 'auto', 'load']);
  });
});
