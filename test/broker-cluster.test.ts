import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, createCluster } from 'redis';
import { type Answer, type Fleet, openFleet } from './fleet.ts';
import { mountFiles } from './mounts.ts';
import { openRedisCluster, type RedisCluster } from './redis-cluster.ts';

/** How long every node of the cluster answers nobody. */
const silenceMs = 10_000;

let cluster: RedisCluster;
let fleet: Fleet;
const sessions: string[] = [];

before(async () => {
  cluster = await openRedisCluster('out/broker-cluster-redis');
  fleet = await openFleet({
    name: 'broker-cluster',
    brokers: 3,
    people: 12,
    redisEnv: async (stateDir) => ({
      REDIS_URL: `redis://127.0.0.1:${cluster.nodes[0]?.port}`,
      REDIS_MODE: 'cluster',
      REDIS_AUTH: 'password',
      REDIS_PASSWORD_FILE: join(
        await mountFiles(join(stateDir, 'cluster'), { password: cluster.password }),
        'password',
      ),
    }),
  });
});
after(async () => {
  await fleet[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const person = (n: number) => `load${String(n).padStart(5, '0')}`;

describe('three brokers over a Redis Cluster', () => {
  it('sign people in and give each their own token', async () => {
    await fleet.until(async () => (await fleet.signIn('bob').catch(() => '')) !== '');
    for (let n = 1; n <= 12; n += 1) sessions.push(await fleet.signIn(person(n), n % 3));
    for (const [i, session] of sessions.entries()) {
      const answer = await fleet.exchange(i % 3, session);
      assert.equal(answer.status, 200);
      assert.match(String(claimsOf(answer).preferred_username), new RegExp(`^${person(i + 1)}@`));
    }
  });

  it('buy one token for 300 concurrent callers', async () => {
    const session = await fleet.signIn('bob');
    await fleet.admin('DELETE', '/counters');
    await fleet.admin('PUT', '/faults', [{ match: { path: '/token' }, delayMs: 500 }]);
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => fleet.exchange(i % 3, session)));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
    assert.equal(await fleet.calls(), 1);
    await fleet.admin('DELETE', '/faults');
  });

  it('sign out on one and are signed out on all within a second', async () => {
    const session = await fleet.signIn('bob');
    for (const broker of [0, 1, 2]) assert.equal((await fleet.exchange(broker, session)).status, 200);
    assert.equal((await fleet.post(0, '/oauth2/revoke', { token: session })).status, 200);
    const endMs = performance.now() + 1_000;
    await fleet.until(async () => {
      const answers = await Promise.all([0, 1, 2].map((broker) => fleet.exchange(broker, session)));
      return answers.every((answer) => answer.body.error === 'invalid_grant');
    });
    assert.ok(performance.now() < endMs);
  });

  it('serve held tokens while every node is silent for 10 s, refuse the rest at once, and heal within 5 s', async (t) => {
    for (const broker of [0, 1, 2]) for (const session of sessions) await fleet.exchange(broker, session);
    const { fields } = await fleet.startSignIn('bob');
    for (const { host, port } of cluster.nodes) {
      const client = createClient({ socket: { host, port }, password: cluster.password });
      await client.connect();
      await client.sendCommand(['CLIENT', 'PAUSE', String(silenceMs), 'ALL']);
      client.destroy();
    }
    const beganMs = performance.now();
    const held: Answer[] = [];
    const colds: Answer[] = [];
    while (performance.now() - beganMs < silenceMs - 1_000) {
      const [session, broker] = [String(sessions[held.length % sessions.length]), held.length % 3];
      held.push(await fleet.exchange(broker, session));
      if (held.length % 20 === 0)
        colds.push(await fleet.post(broker, '/oauth2/introspect', { token: `${held.length}` }));
      await delay(10);
    }
    const served = held.filter((answer) => answer.status === 200).length / held.length;
    assert.ok(served >= 0.99, `only ${served} of ${held.length} were served`);
    assert.ok(colds.every((answer) => answer.status === 503 && answer.ms < 1_000));
    await delay(Math.max(0, beganMs + silenceMs - performance.now()));
    await fleet.until(async () => (await fleet.post(0, '/oauth2/token', fields)).status === 200);
    const healedMs = performance.now() - beganMs - silenceMs;
    assert.ok(healedMs < 5_000, `healed after ${healedMs} ms`);
    const facts = `${held.length} asked, ${(served * 100).toFixed(1)} % served, ${colds.length} cold refused`;
    t.diagnostic(`${facts}, healed after ${Math.round(healedMs)} ms`);
  });

  it('serve held tokens while a master is killed, and everything after its replica took over', async (t) => {
    for (const broker of [0, 1, 2]) for (const session of sessions) await fleet.exchange(broker, session);
    const running: Promise<Answer>[] = [];
    let n = 0;
    const timer = setInterval(() => {
      n += 1;
      running.push(fleet.exchange(n % 3, String(sessions[n % sessions.length])));
    }, 10);
    const startedMs = performance.now();
    await cluster.nodes[1]?.[Symbol.asyncDispose]();
    const signedIn = async (person: string) => (await fleet.signIn(person).catch(() => '')) !== '';
    // Twelve people fall on all three shards: when all can sign in anew, every slot is served again.
    for (let i = 1; i <= 12; i += 1) await fleet.until(() => signedIn(person(i)));
    const healedMs = performance.now() - startedMs;
    clearInterval(timer);
    const answers = await Promise.all(running);
    const served = answers.filter((answer) => answer.status === 200).length / answers.length;
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      assert.equal(answer.status, 503);
      assert.ok(answer.ms < 1_000, `a refusal took ${answer.ms} ms`);
    }
    assert.ok(served >= 0.99, `only ${served} of ${answers.length} were served`);
    t.diagnostic(
      `${answers.length} asked, ${(served * 100).toFixed(1)} % served, whole after ${Math.round(healedMs)} ms`,
    );
  });

  it('keep the invalidation channel, or get it back', async () => {
    const session = await fleet.signIn(person(3));
    for (const broker of [0, 1, 2]) assert.equal((await fleet.exchange(broker, session)).status, 200);
    await fleet.until(async () => (await fleet.post(1, '/oauth2/revoke', { token: session })).status === 200);
    await fleet.until(async () => {
      const answers = await Promise.all([0, 1, 2].map((broker) => fleet.exchange(broker, session)));
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
    let seen = 0;
    for (const master of client.masters) {
      const node = await client.nodeClient(master);
      for (const key of await node.keys('*')) {
        seen += 1;
        assert.notEqual(await node.ttl(key), -1, key);
      }
    }
    assert.ok(seen > 12);
    client.destroy();
  });
});

function claimsOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(answer.body.access_token).split('.')[1] ?? '', 'base64url').toString());
}
