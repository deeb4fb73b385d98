import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertionFile } from './kit/agents.ts';
import type { SteadyLoad } from './kit/load.ts';
import type { ClusterSystem } from './kit/system.ts';
import { writeTable } from './kit/told.ts';
import { waitUntil } from './kit/wait.ts';

const services = ['web-frontend', 'token-broker', 'downstream-api'];
const ours = `app.kubernetes.io/name in (${services.join(',')})`;
/** What one killed pod may take with it: the requests that it had in hand, and those until the Service leaves it out. */
const lostWithAPod = 10;
/** There is one Redis here: what only it knows is 503 with `Retry-After` until it is back; nobody is signed out. */
const lostWithRedis = 60;
const rolledWithin = '--timeout=180s';

/** What happens to pods and nodes while people use them. */
export function disturbances(system: () => ClusterSystem, load: () => SteadyLoad): void {
  describe('people go on', () => {
    after(() => writeTable(load().table));
    evictions(system, load);
    kills(system, load);
    losses(system, load);
    renewals(system, load);
  });
}

function evictions(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('when a node is drained', async () => {
    const node = await system().kubectl('get', 'pods', '-l', ours, '-o', 'jsonpath={.items[0].spec.nodeName}');
    const drain = ['drain', node, `--pod-selector=${ours}`, '--ignore-daemonsets', '--delete-emptydir-data'];
    try {
      await load().during(`node drained`, async () => {
        await system().kubectl(...drain, rolledWithin);
        await ready(system());
      });
    } finally {
      await system().kubectl('uncordon', node);
    }
  });

  it('when both pods of a service are evicted at once: the budget lets one go', async () => {
    await load().during('both brokers evicted at once', async () => {
      const answers = await Promise.all((await podsOf(system(), 'token-broker')).map((pod) => evict(system(), pod)));
      assert.deepEqual(answers.sort(), ['evicted', 'refused']);
      await ready(system());
    });
  });
}

function kills(system: () => ClusterSystem, load: () => SteadyLoad): void {
  for (const service of services) {
    it(`when a pod of ${service} is killed`, async () => {
      const kill = async () => {
        const [pod = ''] = await podsOf(system(), service);
        await system().kubectl('delete', 'pod', pod, '--force', '--grace-period=0');
        await ready(system());
      };
      await load().during(`a pod of ${service} killed`, kill, { lost: lostWithAPod });
    });
  }
}

function losses(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('when a broker is out of memory', async () => {
    const exhaust = async () => {
      const [pod = ''] = await podsOf(system(), 'token-broker');
      // The kernel takes the largest first: many small ones fill the memory, and the service is the one to go.
      await system()
        .kubectl('exec', pod, '--', 'node', '-e', crowd)
        .catch(() => {});
      const path = 'jsonpath={.status.containerStatuses[0].lastState.terminated.reason}';
      await waitUntil(
        'the broker was killed',
        async () => /OOMKilled|Error/.test(await system().kubectl('get', 'pod', pod, '-o', path)),
        60_000,
      );
      await ready(system());
    };
    await load().during('a broker out of memory', exhaust, { lost: lostWithAPod });
  });

  it('when Redis is restarted', async () => {
    const restart = async () => {
      const [pod = ''] = await podsOf(system(), 'valkey');
      await system().kubectl('exec', pod, '--', 'sh', '-c', 'kill -TERM 1');
      const path = 'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}';
      const isBack = async () => (await system().kubectl('get', 'pod', pod, '-o', path)) === '1 true';
      await waitUntil('Redis is back', isBack, 90_000);
    };
    await load().during('Redis restarted', restart, { lost: lostWithRedis });
  });
}

function renewals(system: () => ClusterSystem, load: () => SteadyLoad): void {
  it('when the kubelet renews ServiceAccount tokens', async () => {
    const issuedAt = async () => Number(await system().kubectl('exec', 'probe', '--', 'node', '-p', readIssuedAt));
    const created =
      Date.parse(await system().kubectl('get', 'pod', 'probe', '-o', 'jsonpath={.metadata.creationTimestamp}')) / 1_000;
    await load().during('ServiceAccount tokens renewed', () =>
      // At 80 % of ten minutes, looked at once a minute or so.
      waitUntil('the caller has another token', async () => (await issuedAt()) > created + 120, 600_000),
    );
  });
}

const crowd = `require('fs').writeFileSync('/proc/1/oom_score_adj', '1000');
const idle = 'const held = Buffer.alloc(12 << 20, 1); setInterval(() => held, 1000)';
for (let many = 0; many < 16; many++) require('child_process').spawn(process.execPath, ['-e', idle]);
setTimeout(() => {}, 30000)`;

const readIssuedAt = `JSON.parse(Buffer.from(fs.readFileSync('${assertionFile}', 'utf8').split('.')[1], 'base64url')).iat`;

async function podsOf(system: ClusterSystem, service: string): Promise<string[]> {
  const args = ['get', 'pods', '-l', `app.kubernetes.io/name=${service}`, '--field-selector=status.phase=Running'];
  return (await system.kubectl(...args, '-o', 'jsonpath={.items[*].metadata.name}')).split(' ').filter(Boolean);
}

async function ready(system: ClusterSystem): Promise<void> {
  for (const service of services)
    await system.kubectl('rollout', 'status', `deployment/onbehalf-${service}`, rolledWithin);
}

/** Asks as a drain does. */
async function evict({ cluster, namespace }: ClusterSystem, pod: string): Promise<'evicted' | 'refused'> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`;
  return cluster.kubectl(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) }).then(
    () => 'evicted' as const,
    (error: Error) => {
      assert.match(error.message, /disruption budget|Too Many Requests|TooManyRequests/);
      return 'refused' as const;
    },
  );
}
