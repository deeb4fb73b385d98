import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterSystem } from './kit/system.ts';
import { waitUntil } from './kit/wait.ts';

/** What a namespace has of itself, and what the test put there. */
const notOurs =
  /^(events?|lease)|^configmap\/kube-root-ca\.crt|^serviceaccount\/default$|^(pod|configmap|serviceaccount|networkpolicy)\S*\/(gateway|probe|stranger|agents?|closed)$|^podmetrics/;

/** Takes everything away again. */
export function uninstall(system: () => ClusterSystem): void {
  describe('uninstalling', () => {
    it('leaves nothing in the namespace, and nothing of it in the cluster', async () => {
      const { cluster, namespace } = system();
      for (const release of ['onbehalf', 'dev']) await cluster.helm(['uninstall', release, '-n', namespace, '--wait']);
      await system().secrets('--delete');
      const kinds = (await cluster.kubectl(['api-resources', '--namespaced', '--verbs=list', '-o', 'name']))
        .split('\n')
        .filter(Boolean);
      const left = async () =>
        (await system().kubectl('get', kinds.join(','), '--ignore-not-found', '-o', 'name'))
          .split('\n')
          .map((line) => line.replace(/^([^./]+)[^/]*\//, '$1/'))
          .filter((line) => line && !notOurs.test(line));
      await waitUntil('the last pods are gone', async () => (await left()).length === 0, 90_000).catch(async () => {
        assert.deepEqual(await left(), []);
      });
      const bound = await cluster.kubectl(['get', 'clusterrolebindings,clusterroles', '-o', 'name']);
      assert.doesNotMatch(bound, /onbehalf|team-a/);
    });
  });
}
