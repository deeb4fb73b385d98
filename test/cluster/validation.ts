import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { scenarios } from '../charts/render.ts';
import type { ClusterSystem } from './kit/system.ts';

/** What the API server itself says of everything the charts render. */
export function validation(system: () => ClusterSystem): void {
  describe('the API server', () => {
    it('is asked for kinds that it lacks with the value that turns them off', async () => {
      const kinds = await system().cluster.kubectl(['api-resources', '--api-group', 'keda.sh', '-o', 'name']);
      if (kinds.includes('scaledobjects')) return;
      const { charts, cluster, namespace } = system();
      const files = ['facts', 'keda'].flatMap((name) => ['-f', join(charts, `onbehalf/ci/${name}-values.yaml`)]);
      await assert.rejects(
        cluster.helm(['install', 'x', join(charts, 'onbehalf'), '-n', namespace, '--dry-run=server', ...files]),
        /this cluster has no .*: install what brings it, or set (gateway\.create|route\.enabled|keda\.enabled): false/,
      );
    });

    it('takes every scenario of every chart, strictly, with the CRDs they use', async () => {
      await system().installCrds();
      const { charts, cluster, namespace } = system();
      // Of the copy that is installed, whatever is written beside it meanwhile.
      const all = await scenarios(charts);
      assert.ok(all.length >= 26, String(all.length));
      const refused: string[] = [];
      for (const { name, chart, release, files } of all) {
        const values = files.flatMap((file) => ['-f', join(charts, chart, file)]);
        const rendered = await cluster.helm(['template', release, join(charts, chart), '-n', namespace, ...values]);
        await cluster
          .kubectl(['-n', namespace, 'apply', '--dry-run=server', '--validate=strict', '-f', '-'], { input: rendered })
          .catch((error: Error) => refused.push(`${name}: ${error.message}`));
      }
      assert.deepEqual(refused, []);
    });

    it('refuses a field that it does not know', async () => {
      const { cluster, namespace, charts } = system();
      const file = join(charts, 'wrong.yaml');
      const spec = { gatewayClassName: 'a', listeners: [], listners: [] };
      await writeFile(
        file,
        stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: 'a' }, spec }),
      );
      const args = ['-n', namespace, 'apply', '--dry-run=server', '--validate=strict', '-f', file];
      await assert.rejects(cluster.kubectl(args), /unknown field "spec\.listners"/);
    });
  });
}
