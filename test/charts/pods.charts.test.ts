import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type {
  KubernetesObject,
  V1Container,
  V1Deployment,
  V1PodDisruptionBudget,
  V1PodSpec,
  V1ServiceAccount,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import { copyCharts, objectsOf, ofKind, podsOf, render, scenarios } from './render.ts';

const all = await scenarios();
const services = all.filter(({ chart }) => chart !== 'dev');

/** `100m` → 0.1, `128Mi` → 134217728. */
function amount(quantity: string): number {
  const [, number = '', unit = ''] = /^([0-9.]+)(\D*)$/.exec(quantity) ?? [];
  const factor: Record<string, number> = { m: 0.001, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  return Number(number) * (factor[unit] ?? 1);
}

/** Ours: what an escape hatch brings is its owner's. */
const containersOf = (spec: V1PodSpec): V1Container[] =>
  [...(spec.initContainers ?? []), ...spec.containers].filter(({ name }) => !name.startsWith('extra-'));

/** Kubernetes' Pod Security Standard "restricted", and a read-only root; what a pod does wrong. */
function breaches(spec: V1PodSpec): string[] {
  const pod = spec.securityContext ?? {};
  const found = [
    pod.runAsNonRoot === true || 'runAsNonRoot',
    pod.runAsUser === 65532 || 'runAsUser',
    pod.runAsGroup === 65532 || 'runAsGroup',
    pod.seccompProfile?.type === 'RuntimeDefault' || 'seccompProfile',
    !spec.hostNetwork || 'hostNetwork',
    !spec.hostPID || 'hostPID',
    !spec.hostIPC || 'hostIPC',
    spec.automountServiceAccountToken === false || 'automountServiceAccountToken',
    spec.enableServiceLinks === false || 'enableServiceLinks',
    ...(spec.volumes ?? []).map((volume) => !volume.hostPath || `hostPath ${volume.name}`),
    ...containersOf(spec).flatMap(({ name, securityContext: own = {}, ports = [] }) => [
      own.allowPrivilegeEscalation === false || `${name} allowPrivilegeEscalation`,
      own.readOnlyRootFilesystem === true || `${name} readOnlyRootFilesystem`,
      own.privileged !== true || `${name} privileged`,
      (own.capabilities?.drop?.includes('ALL') && !own.capabilities.add?.length) || `${name} capabilities`,
      ports.every(({ hostPort }) => !hostPort) || `${name} hostPort`,
    ]),
  ];
  return found.filter((breach) => typeof breach === 'string');
}

describe('every pod', () => {
  const rendered = new Map<string, KubernetesObject[]>();
  const texts = new Map<string, string>();
  before(async () => {
    const charts = await copyCharts();
    for (const scenario of all) {
      const text = await render(charts, scenario);
      texts.set(scenario.name, text);
      rendered.set(scenario.name, objectsOf(text));
    }
  });
  const objects = (name: string) => rendered.get(name) ?? [];
  const deployments = (name: string) => ofKind<V1Deployment>(objects(name), 'Deployment');
  const everyPod = () => all.flatMap(({ name }) => podsOf(objects(name)).map((pod) => ({ ...pod, name })));
  const everyContainer = () =>
    everyPod().flatMap(({ spec, owner }) => containersOf(spec).map((c) => ({ ...c, owner })));

  it('claims no volume, so that a cluster without a StorageClass will do', () => {
    for (const { name } of all) {
      const claims = objects(name).filter(({ kind }) => /^(PersistentVolume|StatefulSet)/.test(kind ?? ''));
      assert.deepEqual(claims, [], name);
      for (const { spec, owner } of podsOf(objects(name)))
        assert.ok(
          !spec.volumes?.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral),
          owner,
        );
    }
  });

  it('meets Pod Security "restricted" with a read-only root, test pods too', () => {
    assert.ok(everyPod().some(({ owner }) => owner.startsWith('Pod ')));
    for (const { name, owner, spec } of everyPod()) assert.deepEqual(breaches(spec), [], `${name} ${owner}`);
  });

  it('has requests and limits on every container, above what AKS would raise', () => {
    for (const { owner, resources } of everyContainer()) {
      for (const side of [resources?.requests, resources?.limits]) {
        assert.ok(amount(side?.cpu ?? '0') >= 0.1, owner);
        assert.ok(amount(side?.memory ?? '0') >= amount('100Mi'), owner);
      }
      assert.ok(amount(resources?.requests?.memory ?? '') <= amount(resources?.limits?.memory ?? ''), owner);
    }
  });

  it('has a small /tmp and no other writable place', () => {
    for (const { name, owner, spec } of everyPod()) {
      const writable = containersOf(spec).flatMap(({ volumeMounts = [] }) =>
        volumeMounts.filter(({ readOnly, name: volume }) => !readOnly && !volume.startsWith('extra-')),
      );
      assert.deepEqual([...new Set(writable.map(({ mountPath }) => mountPath))], ['/tmp'], `${name} ${owner}`);
      assert.deepEqual(spec.volumes?.find((volume) => volume.name === 'tmp')?.emptyDir, { sizeLimit: '64Mi' });
    }
  });

  it('lets the heap follow the memory limit', () => {
    for (const { name } of services) {
      for (const { spec } of deployments(name)) {
        const env = spec?.template.spec?.containers[0]?.env ?? [];
        assert.equal(env.find((one) => one.name === 'NODE_OPTIONS')?.value, '--max-old-space-size-percentage=75');
      }
    }
  });

  it('has three probes on the admin port', () => {
    for (const { name } of services) {
      for (const { spec } of deployments(name)) {
        const { startupProbe, livenessProbe, readinessProbe, lifecycle } = spec?.template.spec?.containers[0] ?? {};
        const probes = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet);
        assert.deepEqual(
          probes.map((probe) => `${probe?.port} ${probe?.path}`),
          ['admin /startupz', 'admin /livez', 'admin /readyz'],
        );
        assert.equal(lifecycle, undefined, 'the drain is the service’s own');
      }
    }
    for (const { spec } of deployments('dev/kind')) {
      const { startupProbe, livenessProbe, readinessProbe } = spec?.template.spec?.containers[0] ?? {};
      assert.ok(startupProbe && livenessProbe && readinessProbe);
    }
  });

  it('may take longer to end than its drain takes', () => {
    for (const { name } of services) {
      for (const { spec } of deployments(name)) {
        const pod = spec?.template.spec;
        const env = new Map(pod?.containers[0]?.env?.map((one) => [one.name, Number(one.value)]));
        const drainMs = (env.get('SHUTDOWN_DELAY_MS') ?? 0) + (env.get('DRAIN_MS') ?? 0);
        // What comes after the drain: leases, pools and telemetry, ten seconds at the most.
        assert.ok((pod?.terminationGracePeriodSeconds ?? 0) * 1_000 >= drainMs + 10_000, name);
      }
    }
  });

  it('never shrinks in a rollout and is spread over zones and nodes', () => {
    for (const { name } of services) {
      for (const { spec } of deployments(name)) {
        assert.deepEqual(spec?.strategy?.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
        assert.equal(spec?.minReadySeconds, 5);
        const spread = spec?.template.spec?.topologySpreadConstraints ?? [];
        assert.deepEqual(
          spread.map(({ topologyKey }) => topologyKey),
          ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'],
        );
        for (const constraint of spread) {
          assert.equal(constraint.whenUnsatisfiable, 'ScheduleAnyway');
          assert.deepEqual(constraint.matchLabelKeys, ['pod-template-hash']);
          assert.deepEqual(constraint.labelSelector?.matchLabels, spec?.selector.matchLabels);
        }
      }
    }
  });

  it('is replaced half a minute after its node is lost', () => {
    for (const { name } of services) {
      for (const { spec } of deployments(name)) {
        const lost = spec?.template.spec?.tolerations?.filter(({ key }) => key?.startsWith('node.kubernetes.io/'));
        assert.deepEqual(
          lost?.map(({ key, effect, tolerationSeconds }) => [key, effect, tolerationSeconds]),
          ['not-ready', 'unreachable'].map((taint) => [`node.kubernetes.io/${taint}`, 'NoExecute', 30]),
          name,
        );
      }
    }
  });

  it('leaves the replicas to whoever scales them, and to one alone', () => {
    const keda = objects('onbehalf/keda');
    for (const { spec } of ofKind<V1Deployment>(keda, 'Deployment')) assert.equal(spec?.replicas, undefined);
    const scaled = ofKind<V2HorizontalPodAutoscaler>(keda, 'HorizontalPodAutoscaler').map(
      ({ spec }) => spec?.scaleTargetRef.name,
    );
    assert.deepEqual(scaled.sort(), ['onbehalf-downstream-api', 'onbehalf-web-frontend']);
    type Scaled = KubernetesObject & { spec: { fallback: object; scaleTargetRef: { name: string } } };
    const [byKeda] = ofKind<Scaled>(keda, 'ScaledObject');
    assert.equal(byKeda?.spec.scaleTargetRef.name, 'onbehalf-token-broker');
    assert.deepEqual(byKeda?.spec.fallback, { failureThreshold: 3, replicas: 4 });
    for (const { spec } of deployments('onbehalf/facts')) assert.equal(spec?.replicas, 2);
  });

  it('can always be drained: a budget of one pod, and none for a single pod', () => {
    const budgets = (name: string) => ofKind<V1PodDisruptionBudget>(objects(name), 'PodDisruptionBudget');
    for (const name of ['onbehalf/facts', 'onbehalf/keda']) {
      assert.equal(budgets(name).length, 3, name);
      for (const { spec } of budgets(name)) {
        assert.equal(spec?.maxUnavailable, 1);
        assert.equal(spec?.unhealthyPodEvictionPolicy, 'AlwaysAllow');
      }
    }
    assert.deepEqual(budgets('onbehalf/single-replica'), []);
    assert.deepEqual(budgets('onbehalf/everything'), []);
  });

  it('runs as a ServiceAccount of its workload’s name that mounts no API token', () => {
    for (const { metadata, spec } of deployments('onbehalf/facts')) {
      assert.equal(spec?.template.spec?.serviceAccountName, metadata?.name);
    }
    const accounts = ofKind<V1ServiceAccount>(objects('onbehalf/facts'), 'ServiceAccount');
    assert.deepEqual(accounts.map(({ metadata }) => metadata?.name).sort(), [
      'onbehalf-downstream-api',
      'onbehalf-token-broker',
      'onbehalf-web-frontend',
    ]);
    for (const { name } of all) {
      for (const account of ofKind<V1ServiceAccount>(objects(name), 'ServiceAccount')) {
        assert.equal(account.automountServiceAccountToken, false);
      }
    }
  });

  it('takes its image by digest, else tag, else the chart’s version; never latest', () => {
    for (const { owner, image = '' } of everyContainer()) {
      assert.match(image, /^[^:@\s]+(\/[^:@\s]+)*(:[\w.-]+|@sha256:[0-9a-f]{64})$/, owner);
      assert.doesNotMatch(image, /:latest$/);
    }
    assert.equal(deployments('onbehalf/facts')[0]?.spec?.template.spec?.containers[0]?.image?.endsWith(':0.1.0'), true);
    assert.equal(
      deployments('onbehalf/everything')[0]?.spec?.template.spec?.containers[0]?.image,
      `other.example.com/auth/service@sha256:${'a'.repeat(64)}`,
    );
  });

  it('lands each escape hatch in one place', () => {
    const text = texts.get('onbehalf/everything') ?? '';
    const hatches = [
      ...['extra-env', 'extra-env-from', 'extra-volume-mount', 'extra-container', 'extra-init-container'],
      ...['extra-pod-label', 'extra-pod-annotation', 'extra-node', 'extra-toleration', 'extra-affinity'],
      ...['extra-priority', 'extra-ingress', 'extra-egress'],
    ];
    for (const hatch of hatches) {
      const count = text.split('\n').filter((line) => new RegExp(`\\b${hatch}(?!-)\\b`).test(line)).length;
      assert.equal(count, 3, `${hatch}: once per service`);
    }
    assert.equal(text.match(/name: extra-object$/gm)?.length, 1);
    assert.equal(text.match(/name: extra-umbrella$/gm)?.length, 1);
  });
});
