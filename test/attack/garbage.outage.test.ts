import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { signInPeople } from '../outage/people.ts';
import { type Sample, steadyLoad } from '../outage/steady.ts';
import { flood } from './garbage.ts';

/** How long garbage comes; the note's minute on request. */
const seconds = Number(process.env.ATTACK_SECONDS ?? 15);
const services = ['web-frontend', 'token-broker', 'downstream-api'];
const people = 10;
const perSecond = 20;
/** What a pod may have (`resources.limits.memory` of the charts); one over it is killed. */
const limitMiB = 256;
/** As V8 sets itself in such a pod by the charts' NODE_OPTIONS; on a whole machine it lets garbage lie for longer. */
const podHeap = { NODE_OPTIONS: `--max-old-space-size=${0.75 * limitMiB} --max-semi-space-size=4` };
/** What the heap may still take while it warms up; a leak of each request's garbage is ten times that in a minute. */
const growthMiB = 32;

function residentMiB(system: System): Record<string, number> {
  const of = (name: string) => {
    const pid = system.programs.find((program) => program.name === name)?.process.pid;
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
  };
  return Object.fromEntries(services.map((name) => [name, of(name)]));
}

describe('garbage at every front door', () => {
  it('costs bounded memory, and those who are signed in are served meanwhile', async (context) => {
    const env = { web: { PUBLIC_RATE_BURST: '1000', ...podHeap }, broker: podHeap, api: podHeap };
    await using system = await openSystem({ frontend: true, name: 'garbage', people, env });
    const signedIn = await signInPeople(system, people);
    const load = steadyLoad(system, signedIn, perSecond);
    const attack = flood(system);
    const samples: Record<string, number>[] = [];
    for (let second = 0; second < seconds; second += 1) {
      await delay(1_000);
      samples.push(residentMiB(system));
    }
    await attack.stop();
    await load.stop();

    const settled = samples[Math.floor(samples.length / 3)] ?? {};
    for (const name of services) {
      const [atThird = 0, most] = [settled[name], Math.max(...samples.map((sample) => sample[name] ?? 0))];
      context.diagnostic(`${name}: ${Math.round(atThird)} MiB after a third, ${Math.round(most)} MiB at most`);
      assert.ok(most < limitMiB, `${name} takes ${most} MiB`);
      assert.ok(most - atThird < growthMiB, `${name} grows from ${atThird} to ${most} MiB`);
    }
    const answered = [...attack.answers].map(([what, times]) => `${times} x ${what}`).join(', ');
    context.diagnostic(`${attack.sent()} pieces of garbage in ${seconds} s: ${answered}`);
    assert.ok(attack.sent() > 20 * seconds, 'too little garbage');
    assert.ok(![...attack.answers.keys()].some((what) => what === '500'), answered);
    for (const { process: program, name } of system.programs) assert.equal(program.exitCode, null, `${name} ended`);

    const not = (outcome: Sample['outcome']) => load.samples.filter((sample) => sample.outcome !== outcome);
    const slowest = Math.round(Math.max(...load.samples.map(({ ms }) => ms)));
    context.diagnostic(
      `${load.samples.length} live requests, ${not('served').length} not served, slowest ${slowest} ms`,
    );
    assert.deepEqual(not('served').slice(0, 3), []);
    assert.ok(load.samples.every(({ foreign, signedOut }) => !foreign && !signedOut));
  });
});
