import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ended } from '../kit/child.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { openTrials, type Trials } from './trial.ts';

const opened = new AsyncDisposableStack();
const pods = ['token-broker-1', 'token-broker-2', 'token-broker-3'];
/** What a cluster takes to send no more connections to a pod that is gone. */
const endpointsMs = 500;
let system: System;
let trials: Trials;

before(async () => {
  const env = { web: { PUBLIC_RATE_BURST: '10000' } };
  system = opened.use(
    await openSystem({ frontend: true, name: 'outage-pods', brokers: pods.length, people: 200, env }),
  );
  trials = opened.use(await openTrials(system));
});
after(() => opened.disposeAsync());

function processOf(name: string) {
  return system.program(name).process;
}

/** The Service sends new connections to these pods only. */
function endpoints(without?: string): void {
  const others = system.brokers.filter((_, place) => pods[place] !== without);
  system.relays.broker.aim(...others.map(({ port }) => ({ host: '127.0.0.1', port })));
}

async function inTurn(each: (name: string) => Promise<void>): Promise<void> {
  for (const name of pods) await each(name);
}

describe('a steady load signs nobody out where the pods of the broker', () => {
  it('are restarted in turn, as a rollout does: nothing is lost or refused', async (context) => {
    const restart = async (name: string) => {
      endpoints(name);
      const leaving = processOf(name);
      leaving.kill('SIGTERM');
      await ended(leaving);
      assert.equal(leaving.exitCode, 0);
      await system.restart(name);
      endpoints();
    };
    await trials.pass(
      { strike: () => inTurn(restart), mend: async () => {}, servedShare: 1, wholeWithinMs: 0 },
      context,
    );
  });

  it('are killed in turn: what was under way is refused, the rest is served', async (context) => {
    const kill = async (name: string) => {
      const dying = processOf(name);
      dying.kill('SIGKILL');
      await ended(dying);
      await delay(endpointsMs);
      endpoints(name);
      await system.restart(name);
      endpoints();
    };
    await trials.pass({ strike: () => inTurn(kill), mend: async () => {} }, context);
  });

  it('are paused in turn (SIGSTOP), as by a node that hangs', async (context) => {
    const pause = async (name: string) => {
      processOf(name).kill('SIGSTOP');
      await delay(endpointsMs);
      endpoints(name);
      await delay(2 * endpointsMs);
      processOf(name).kill('SIGCONT');
      endpoints();
    };
    // Who waits for the one that hangs is told after two seconds; who comes after is told at once.
    await trials.pass({ strike: () => inTurn(pause), mend: async () => {}, refuseMs: 2_500 }, context);
  });

  it('are all away', async (context) => {
    const strike = async () => system.relays.broker.cut();
    await trials.pass({ strike, mend: async () => system.relays.broker.restore() }, context);
  });
});
