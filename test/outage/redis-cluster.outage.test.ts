import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openRedisCluster, type RedisCluster } from '../kit/redis/cluster.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

const people = 12;
/** What replication may lag behind: what is older must be at the replica. */
const lagMs = 1_000;
const everyMs = 10;

let cluster: RedisCluster;
let system: System;
before(async () => {
  cluster = await openRedisCluster('out/outage-redis-cluster');
  system = await openSystem({
    ...{ name: 'outage-cluster', brokers: 3, people },
    redisEnv: async (stateDir) => ({
      REDIS_URL: `redis://127.0.0.1:${cluster.nodes[0]?.port}`,
      REDIS_MODE: 'cluster',
      ...(await redisPassword(stateDir, cluster.password)),
    }),
  });
});
after(async () => {
  await system?.close();
  await cluster?.[Symbol.asyncDispose]();
});

/** Asks for everybody's token in turn, each broker in turn, until told to stop. */
function load(sessions: readonly string[]) {
  const running: Promise<BrokerResponse>[] = [];
  const timer = setInterval(() => {
    running.push(system.exchange(running.length % 3, String(sessions[running.length % sessions.length])));
  }, everyMs);
  return async () => {
    clearInterval(timer);
    return await Promise.all(running);
  };
}

describe('a Redis Cluster that loses a master under a steady load', () => {
  it('keeps every session older than a second, also for a broker that remembers none', async (context) => {
    const names = Array.from({ length: people }, (_, n) => `load${String(n + 1).padStart(5, '0')}`);
    await system.until(async () => (await system.signIn('bob').catch(() => '')) !== '');
    const sessions: string[] = [];
    for (const [n, name] of names.entries()) sessions.push(await system.signIn(name, n % 3));
    for (const broker of [0, 1, 2]) await Promise.all(sessions.map((session) => system.exchange(broker, session)));
    await delay(lagMs);

    const stop = load(sessions);
    const killedMs = performance.now();
    await cluster.nodes[1]?.[Symbol.asyncDispose]();
    // Twelve people fall on all three shards: when all can sign in anew, every slot is served again.
    for (const name of names) await system.until(async () => (await system.signIn(name).catch(() => '')) !== '');
    const wholeMs = Math.round(performance.now() - killedMs);
    const answers = await stop();

    system.brokers.push(await system.startBroker());
    for (const session of sessions) {
      const { status, body } = await system.post(3, '/oauth2/introspect', { token: session });
      assert.deepEqual([status, body.active], [200, true]);
    }
    const refused = answers.filter(({ status }) => status !== 200);
    context.diagnostic(
      `${answers.length} asked, ${refused.length} refused, whole after ${wholeMs} ms, 0 sessions lost`,
    );
    assert.ok(refused.every(({ status, ms }) => status === 503 && ms < 1_000));
    assert.ok(refused.length <= answers.length / 100);
  });
});
