import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { openTrials, type Trials } from './trial.ts';

const opened = new AsyncDisposableStack();
const clockFile = join(tmpdir(), `onbehalf-clock-${process.pid}`);
let system: System;
let trials: Trials;

before(async () => {
  await setClocks(0);
  const clock = { NODE_OPTIONS: `--import=${resolve('test/outage/shifted-clock.ts')}`, CLOCK_FILE: clockFile };
  const env = { web: { ...clock, PUBLIC_RATE_BURST: '10000' }, broker: clock, api: clock };
  system = opened.use(await openSystem({ frontend: true, name: 'outage-clocks', brokers: 2, people: 200, env }));
  trials = opened.use(await openTrials(system));
});
after(() => opened.disposeAsync());

describe('a steady load', () => {
  for (const minutes of [10, -10]) {
    it(`signs nobody out, and is served again within 5 s: our clocks are off by ${minutes} minutes`, (context) =>
      trials.pass(
        {
          strike: () => setClocks(minutes * 60),
          mend: () => setClocks(0),
          // Tokens of the cluster and of Entra ID are not good at that time: refused, as they must be.
          lost: Number.POSITIVE_INFINITY,
        },
        context,
      ));
  }
});

/** Of all three services; Entra ID, Redis and the cluster stay right. */
function setClocks(offsetSeconds: number): Promise<void> {
  return writeFile(clockFile, String(offsetSeconds));
}
