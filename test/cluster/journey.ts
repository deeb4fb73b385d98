import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkJourney } from '../../tools/check-journey.ts';
import type { ClusterSystem } from './kit/system.ts';

/** Installs the charts as their README says, and walks through the front door. */
export function journey(system: () => ClusterSystem): void {
  describe('the charts, installed', () => {
    it('come up in a namespace of another name that enforces Pod Security and is closed unless opened', async () => {
      await system().secrets();
      await system().install('dev');
      const notes = await system().install('onbehalf');
      assert.match(notes, /Sign in at http:\/\/localhost/);
    });

    it('stand beside a second charts/dev of the same cluster', async () => {
      const { charts, cluster, elsewhere } = system();
      const args = ['install', 'dev', join(charts, 'dev'), '-n', elsewhere, '--dry-run=server'];
      const values = ['-f', join(charts, 'dev/ci/kind-values.yaml'), '--set', 'issuerDiscovery.bind=true'];
      await cluster.helm([...args, ...values]);
    });

    it('pass their helm tests', async () => {
      const { cluster, namespace } = system();
      const said = await cluster.helm(['test', 'onbehalf', '-n', namespace, '--logs', '--timeout', '3m']);
      assert.equal(said.match(/Phase:\s+Succeeded/g)?.length, 3, said);
      assert.match(said, /the broker refuses no assertion and a foreign one/);
      const left = await system().kubectl(
        'get',
        'pods',
        '-l',
        'app.kubernetes.io/component=test,!onbehalf.test/part',
        '-o',
        'name',
      );
      assert.equal(left, '');
    });

    it('lead a person through the whole journey by the Service, with its trace in the viewer', async () => {
      await system().openDoors();
      await checkJourney(system().people, (step, ms, result) =>
        console.log(`${step}: ${result} (${ms.toFixed(0)} ms)`),
      );
    });
  });
}
