import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createCluster } from 'redis';
import { record } from '../../tools/run/figures.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisCluster, type RedisCluster } from '../kit/redis/cluster.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

/** How long every node of the cluster answers nobody. */
const silenceMs = 10_000;

let cluster: RedisCluster;
let system: System;
const sessions: string[] = [];

before(async () => {
  cluster = await openRedisCluster('out/broker-cluster-redis');
  system = await openSystem({
    // As it ships: how soon silent nodes are given up is what is measured.
    env: { broker: { REDIS_COMMAND_TIMEOUT_MS: '250' } },
    name: 'broker-cluster',
    brokers: 3,
    people: 12,
    redisEnv: async (stateDir) => ({
      REDIS_URL: `redis://127.0.0.1:${cluster.nodes[0]?.port}`,
      REDIS_MODE: 'cluster',
      ...(await redisPassword(stateDir, cluster.password)),
    }),
  });
});
after(async () => {
  await system.close();
  await cluster[Symbol.asyncDispose]();
});

const person = (n: number) => `load${String(n).padStart(5, '0')}`;

describe('three brokers over a Redis Cluster', () => {
  it('sign people in and give each their own token', async () => {
    await system.until(async () => (await system.signIn('bob').catch(() => '')) !== '');
    for (let n = 1; n <= 12; n += 1) sessions.push(await system.signIn(person(n), n % 3));
    for (const [i, session] of sessions.entries()) {
      const answer = await system.exchange(i % 3, session);
      assert.equal(answer.status, 200);
      assert.match(String(claimsOf(answer).preferred_username), new RegExp(`^${person(i + 1)}@`));
    }
  });

  it('are told in one line that they take it for a standalone Redis, and sign nobody in', async () => {
    const mistaken = await system.startBroker({ REDIS_MODE: 'standalone' });
    await using _ended = mistaken.child;
    const said = async () => {
      const lines = (await readFile(mistaken.child.logFile, 'utf8')).split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'error');
    };
    await system.until(async () => (await said()).length > 0);
    const [line, ...more] = await said();
    assert.deepEqual(
      [line.event, line.reason, line.refused, more],
      ['redis.refused', 'MOVED', ['REDIS_MODE: must be cluster'], []],
    );
    const { fields } = await system.startSignIn(person(1));
    const assertion = await system.cluster.mint({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' });
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
    const body = new URLSearchParams({ ...fields, client_assertion: assertion, client_assertion_type: type });
    assert.equal((await fetch(`${mistaken.url}/oauth2/token`, { method: 'POST', body })).status, 503);
  });

  it('acquire one token for 300 concurrent callers', async () => {
    const session = await system.signIn('bob');
    await system.admin('DELETE', '/counters');
    await system.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 500 }]);
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => system.exchange(i % 3, session)));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
    record('Redis Cluster of 3 + 3: calls for 300 callers', await system.calls());
    await system.admin('DELETE', '/faults');
  });

  it('sign out on one and are signed out on all within a second', async () => {
    const session = await system.signIn('bob');
    for (const broker of [0, 1, 2]) assert.equal((await system.exchange(broker, session)).status, 200);
    assert.equal((await system.post(0, '/oauth2/revoke', { token: session })).status, 200);
    const endMs = performance.now() + 1_000;
    await system.until(async () => {
      const answers = await Promise.all([0, 1, 2].map((broker) => system.exchange(broker, session)));
      return answers.every((answer) => answer.body.error === 'invalid_grant');
    });
    assert.ok(performance.now() < endMs);
  });

  it('serve held tokens while every node is silent for 10 s, refuse the rest at once, and heal within 5 s', async () => {
    for (const broker of [0, 1, 2]) for (const session of sessions) await system.exchange(broker, session);
    for (const node of cluster.nodes) {
      await withRedis(node, (client) => client.sendCommand(['CLIENT', 'PAUSE', String(silenceMs), 'ALL']));
    }
    const beganMs = performance.now();
    const held: BrokerResponse[] = [];
    const colds: BrokerResponse[] = [];
    while (performance.now() - beganMs < silenceMs - 1_000) {
      const [session, broker] = [String(sessions[held.length % sessions.length]), held.length % 3];
      held.push(await system.exchange(broker, session));
      if (held.length % 20 === 0)
        colds.push(await system.post(broker, '/oauth2/introspect', { token: `${held.length}` }));
      await delay(10);
    }
    const served = held.filter((answer) => answer.status === 200).length / held.length;
    assert.ok(colds.every((answer) => answer.status === 503));
    await delay(Math.max(0, beganMs + silenceMs - performance.now()));
    // Each time with a code of its own: one may have been spent by a command that was answered too late.
    await system.until(async () => (await system.signIn('bob').catch(() => '')) !== '');
    const healedMs = performance.now() - beganMs - silenceMs;
    record('Redis Cluster silent for 10 s: requests for held tokens served', served * 100);
    record('Redis Cluster silent for 10 s: slowest refusal', Math.max(...colds.map(({ ms }) => ms)));
    record('Redis Cluster silent for 10 s: until the first success after it', healedMs / 1_000);
  });

  it('serve held tokens while a master is killed, and everything after its replica took over', async () => {
    for (const broker of [0, 1, 2]) for (const session of sessions) await system.exchange(broker, session);
    const running: Promise<BrokerResponse>[] = [];
    let n = 0;
    const timer = setInterval(() => {
      n += 1;
      running.push(system.exchange(n % 3, String(sessions[n % sessions.length])));
    }, 10);
    const startedMs = performance.now();
    await cluster.nodes[1]?.[Symbol.asyncDispose]();
    const signedIn = async (person: string) => (await system.signIn(person).catch(() => '')) !== '';
    // Twelve people fall on all three shards: when all can sign in anew, every slot is served again.
    for (let i = 1; i <= 12; i += 1) await system.until(() => signedIn(person(i)));
    const healedMs = performance.now() - startedMs;
    clearInterval(timer);
    const answers = await Promise.all(running);
    const served = answers.filter((answer) => answer.status === 200).length / answers.length;
    const refused = answers.filter(({ status }) => status !== 200);
    for (const answer of refused) assert.equal(answer.status, 503);
    record('Redis Cluster, a master killed: requests for held tokens served', served * 100);
    record('Redis Cluster, a master killed: slowest refusal', Math.max(0, ...refused.map(({ ms }) => ms)));
    record('Redis Cluster, a master killed: until every slot is served', healedMs / 1_000);
  });

  it('keep the invalidation channel, or get it back', async () => {
    const session = await system.signIn(person(3));
    // The first broker has seen every slot served again; the others' clients find the new master by themselves.
    for (const broker of [0, 1, 2])
      await system.until(async () => (await system.exchange(broker, session)).status === 200);
    await system.until(async () => (await system.post(1, '/oauth2/revoke', { token: session })).status === 200);
    await system.until(async () => {
      const answers = await Promise.all([0, 1, 2].map((broker) => system.exchange(broker, session)));
      return answers.every((answer) => answer.body.error === 'invalid_grant');
    });
  });

  it('leave no key without a TTL on any master', async () => {
    const client = createCluster({
      rootNodes: [{ url: `redis://127.0.0.1:${cluster.nodes[0]?.port}` }],
      defaults: { password: cluster.password },
    });
    client.on('error', () => {});
    await client.connect();
    let [seen, immortal] = [0, 0];
    for (const master of client.masters) {
      const node = await client.nodeClient(master);
      for (const key of await node.keys('*')) {
        seen += 1;
        if ((await node.ttl(key)) === -1) immortal += 1;
      }
    }
    assert.ok(seen > 12);
    record('keys without an end on the Redis Cluster', immortal);
    client.destroy();
  });
});

function claimsOf(answer: BrokerResponse): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(answer.body.access_token).split('.')[1] ?? '', 'base64url').toString());
}
