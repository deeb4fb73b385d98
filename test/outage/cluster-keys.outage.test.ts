import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openSystem } from '../kit/system/open.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

const clockFile = join(tmpdir(), `onbehalf-keys-clock-${process.pid}`);
const minute = 60;
let system: System;
let session: string;

before(async () => {
  await writeFile(clockFile, '0');
  system = await openSystem({
    name: 'outage-cluster-keys',
    brokers: 2,
    env: { broker: { NODE_OPTIONS: `--import=${resolve('test/outage/shifted-clock.ts')}`, CLOCK_FILE: clockFile } },
  });
  session = await system.signIn('alice');
  for (const broker of [0, 1]) assert.equal((await system.exchange(broker, session)).status, 200);
});
after(async () => {
  await system.close();
  await rm(clockFile);
});

/** Moves the brokers' clocks, and gives a caller's token that is fresh then. */
async function later(seconds: number): Promise<string> {
  await writeFile(clockFile, String(seconds));
  const now = Math.floor(Date.now() / 1_000) + seconds;
  const times = { iat: now, nbf: now, exp: now + 600 };
  return await system.cluster.mint({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' }, times);
}
const introspect = (broker: number, client_assertion: string): Promise<BrokerResponse> =>
  system.post(broker, '/oauth2/introspect', { token: 'x', client_assertion });

describe('the keys of the cluster', () => {
  it('cannot be fetched: who calls is known by those in memory, for a day, then told when to come back', async () => {
    system.cluster.reachable = false;
    for (const minutes of [11, 60, 23 * 60]) {
      const assertion = await later(minutes * minute);
      for (const broker of [0, 1]) {
        await system.until(async () => (await introspect(broker, assertion)).status === 200);
      }
    }
    const fresh = await later(11 * minute);
    for (const broker of [0, 1]) {
      const asked = { client_assertion: fresh };
      await system.until(async () => (await system.exchange(broker, session, undefined, asked)).status === 200);
    }

    for (const { child } of system.brokers) {
      const lines = (await readFile(child.logFile, 'utf8')).split('\n').filter(Boolean);
      const said = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'error');
      assert.deepEqual(
        said.map(({ event }) => event),
        ['callers.keys_down'],
      );
    }

    const tooLong = await later((24 * 60 + 1) * minute);
    for (const broker of [0, 1]) {
      await system.until(async () => (await introspect(broker, tooLong)).status === 503);
      assert.ok((await introspect(broker, tooLong)).headers.has('retry-after'));
    }
    system.cluster.reachable = true;
    for (const broker of [0, 1]) await system.until(async () => (await introspect(broker, tooLong)).status === 200);
  });
});
