import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { testLabel } from './kit/agents.ts';
import type { SteadyLoad } from './kit/load.ts';
import type { ClusterSystem } from './kit/system.ts';
import { waitUntil } from './kit/wait.ts';

const cpu = { type: 'cpu', metricType: 'Utilization', metadata: { value: '70' } };
const scalers = [
  ['an autoscaler', { autoscaling: { enabled: true } }],
  ['KEDA', { keda: { enabled: true, triggers: [cpu] } }],
] as const;

/** What deployers do to a release while people use it. */
export function changes(system: () => ClusterSystem, load: () => SteadyLoad): void {
  describe('a release under load', () => {
    upgrades(system, load);
    handOvers(system, load);
    files(system, load);
    keyRings(system, load);
  });
}

function upgrades(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('is changed by nothing in a second upgrade: no object and no pod', async () => {
    const before = await stateOf(system());
    await load().during('the same upgrade twice', async () => {
      await system().install('onbehalf');
      await system().install('onbehalf');
    });
    assert.deepEqual(await stateOf(system()), before);
  });

  it('rolls every pod for a changed value without a failed request', async () => {
    const level = { log: { level: 'debug' } };
    const values = { 'web-frontend': level, 'token-broker': level, 'downstream-api': level };
    await load().during('an upgrade that rolls every pod', () => system().install('onbehalf', values));
  });

  it('rolls back without a failed request', async () => {
    const { cluster, namespace } = system();
    const args = ['rollback', 'onbehalf', '-n', namespace, '--wait', '--timeout', '5m'];
    await load().during('a rollback', () => cluster.helm(args));
  });
}

function handOvers(system: () => ClusterSystem, load: () => SteadyLoad): void {
  for (const [who, scaled] of scalers) {
    it(`is handed over to ${who}, and back, without fewer pods for a moment`, async () => {
      const least = watchReplicas(system());
      await load().during(`${who} turned on`, () => system().install('onbehalf', { 'web-frontend': scaled }));
      // As a scaler writes: from now on the field is another's, which Helm 4 takes back by force alone.
      await system().kubectl('scale', 'deployment', 'onbehalf-web-frontend', '--replicas=3');
      await load().during(`${who} turned off`, () => system().install('onbehalf', {}, '--force-conflicts'));
      assert.ok((await least()) >= 2, 'there were fewer');
    });
  }
}

function files(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('rolls the pods that read a ConfigMap once when that has changed, and no others', async () => {
    const before = await podsByService(system());
    const { data } = JSON.parse(await system().kubectl('get', 'configmap', 'dev-emulator-ca', '-o', 'json'));
    // The same authority twice: other content that says the same.
    const patch = JSON.stringify({ data: { 'ca.pem': `${data['ca.pem']}${data['ca.pem']}` } });
    await system().kubectl('patch', 'configmap', 'dev-emulator-ca', '--patch', patch);
    await load().during('another certificate authority', () => system().install('onbehalf'));
    // A pod that leaves is listed for a while yet.
    const old = new Set(Object.values(before).flat());
    const left = async () =>
      Object.values(await podsByService(system()))
        .flat()
        .filter((uid) => old.has(uid));
    await waitUntil('no pod of before is left', async () => (await left()).length === 0, 60_000);
  });

  it('renders another pod for another Secret that is read once, and the same for the same', async () => {
    const keys = ['one', 'one', 'other'];
    const seen = [];
    for (const key of keys) seen.push(await checksumWithTls(system(), key));
    assert.match(seen[0] ?? '', /^[0-9a-f]{64}$/);
    assert.equal(seen[1], seen[0]);
    assert.notEqual(seen[2], seen[0]);
  });
}

function keyRings(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('goes on when the keys of its rings are changed in their Secrets', async () => {
    await load().during('Secrets with a new current key', async () => {
      // As the runbook says: first the key, and its name as the current one when every pod has it.
      await rotate(system(), { k2: newKey() });
      await waitUntil('every pod has the key', async () => (await countReloads(system(), /"keys":2/)) >= 4, 150_000);
      await rotate(system(), { current: 'k2' });
      await waitUntil(
        'every pod seals with it',
        async () => (await countReloads(system(), /"current":"k2"/)) >= 4,
        150_000,
      );
    });
  });
}

/**
 * Every object of the charts with what changes when it is written: its generation where it has one, which a controller's
 * own words on it leave alone; and every pod.
 */
async function stateOf(system: ClusterSystem): Promise<{ objects: string[]; pods: string }> {
  const kinds = 'deploy,svc,cm,sa,netpol,pdb,gateway,httproute';
  const format =
    '{range .items[*]}{.kind}/{.metadata.name} {.metadata.generation} {.metadata.resourceVersion}{"\\n"}{end}';
  const args = ['get', kinds, '-l', 'app.kubernetes.io/part-of=onbehalf', '-o', `jsonpath=${format}`];
  const objects = (await system.kubectl(...args)).split('\n').map((line) => {
    const [name, generation, version] = line.split(' ');
    return `${name} ${generation || version}`;
  });
  return { objects, pods: await system.kubectl('get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}') };
}

/** The uids of the pods of each service. */
async function podsByService(system: ClusterSystem): Promise<Record<string, string[]>> {
  const uids: Record<string, string[]> = {};
  for (const service of ['web-frontend', 'token-broker', 'downstream-api']) {
    const args = ['get', 'pods', '-l', `app.kubernetes.io/name=${service}`, '-o', 'jsonpath={.items[*].metadata.uid}'];
    uids[service] = (await system.kubectl(...args)).split(' ');
  }
  return uids;
}

/** What the broker's pods would be annotated with if they had this TLS key: asked of the cluster, nothing is changed. */
async function checksumWithTls(system: ClusterSystem, key: string): Promise<string | undefined> {
  const metadata = { name: 'tls-once', namespace: system.namespace, labels: testLabel };
  const stringData = { 'tls.crt': 'certificate', 'tls.key': key };
  await system.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData }]);
  const tls = { existingSecret: { name: 'tls-once' } };
  const said = await system.install('onbehalf', { 'token-broker': { tls } }, '--dry-run=server');
  await system.kubectl('delete', 'secret', 'tls-once');
  const broker = said
    .split(/^---$/m)
    .find((text) => /kind: Deployment\nmetadata:\s+name: onbehalf-token-broker$/m.test(text));
  return /checksum\/read-once: "?([0-9a-f]+)/.exec(broker ?? '')?.[1];
}

/** Looks at web-frontend's wanted and ready pods all the time; ends with the least that was seen. */
function watchReplicas(system: ClusterSystem): () => Promise<number> {
  const stop = new AbortController();
  let least = Number.POSITIVE_INFINITY;
  const looking = (async () => {
    while (!stop.signal.aborted) {
      const path = 'jsonpath={.spec.replicas} {.status.readyReplicas}';
      const seen = await system.kubectl('get', 'deployment', 'onbehalf-web-frontend', '-o', path).catch(() => '');
      for (const count of seen.split(' ').filter(Boolean)) least = Math.min(least, Number(count));
      await delay(300);
    }
  })();
  return async () => {
    stop.abort();
    await looking;
    return least;
  };
}

const newKey = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');

/** Changes both rings; a note on the pods has the kubelet look at once. */
async function rotate(system: ClusterSystem, stringData: Record<string, string>): Promise<void> {
  for (const secret of ['web-session', 'broker-sealing'])
    await system.kubectl('patch', 'secret', secret, '--patch', JSON.stringify({ stringData }));
  await system.kubectl(
    'annotate',
    'pods',
    '-l',
    'app.kubernetes.io/instance=onbehalf',
    '--overwrite',
    `looked-at=${Date.now()}`,
  );
}

/** How many pods have logged a ring like this. */
async function countReloads(system: ClusterSystem, like: RegExp): Promise<number> {
  const args = ['logs', '--prefix', '--tail=-1', '--max-log-requests=20', '-l'];
  const logs = await system.kubectl(...args, 'app.kubernetes.io/name in (web-frontend,token-broker)');
  const lines = logs.split('\n').filter((line) => line.includes('"keys.reloaded"') && like.test(line));
  return new Set(lines.map((line) => line.split(' ')[0])).size;
}
