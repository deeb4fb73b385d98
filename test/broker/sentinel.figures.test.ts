import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { record } from '../../tools/run/figures.ts';
import { mountFiles } from '../kit/mounts.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisSentinels, type RedisSentinels } from '../kit/redis/sentinels.ts';
import { openSystem } from '../kit/system/open.ts';
import type { BrokerResponse, System } from '../kit/system/system.ts';

let redis: RedisSentinels;
let system: System;
const people = 12;
const person = (n: number) => `load${String(n).padStart(5, '0')}`;
const sessions: string[] = [];

before(async () => {
  redis = await openRedisSentinels('out/broker-sentinel-redis');
  system = await openSystem({
    ...{ name: 'broker-sentinel', brokers: 3, people },
    // As it ships: how soon a dead master is given up is what is measured.
    env: { broker: { REDIS_COMMAND_TIMEOUT_MS: '250' } },
    redisEnv: async (stateDir) => {
      const { password, sentinelPassword } = redis;
      const folder = await mountFiles(join(stateDir, 'sentinel'), { password, sentinelPassword });
      return {
        ...{ REDIS_URL: 'redis://localhost', REDIS_MODE: 'sentinel', REDIS_SENTINEL_MASTER: redis.master },
        REDIS_SENTINEL_URLS: redis.sentinels.map(({ port }) => `redis://127.0.0.1:${port}`).join(','),
        REDIS_SENTINEL_PASSWORD_FILE: join(folder, 'sentinelPassword'),
        ...{ REDIS_AUTH: 'password', REDIS_PASSWORD_FILE: join(folder, 'password') },
      };
    },
  });
});
after(async () => {
  await system?.close();
  await redis?.[Symbol.asyncDispose]();
});

describe('three brokers over a Redis behind sentinels', () => {
  it('sign nobody out when its master is killed under load, and go on with the next one', async () => {
    await system.until(async () => (await system.signIn('bob').catch(() => '')) !== '');
    for (let n = 1; n <= people; n += 1) sessions.push(await system.signIn(person(n), n % 3));
    for (const broker of [0, 1, 2]) for (const session of sessions) await system.exchange(broker, session);
    const master = redis.servers[0];
    assert.ok(master);
    const replicated = async () => /offset=(\d+),lag=0/.test(await info(master, 'replication'));
    await system.until(replicated);
    const held: Promise<BrokerResponse>[] = [];
    const timer = setInterval(() => {
      held.push(system.exchange(held.length % 3, String(sessions[held.length % people])));
    }, 10);
    const startedMs = performance.now();
    const pid = Number(/process_id:(\d+)/.exec(await info(master, 'server'))?.[1]);
    process.kill(pid, 'SIGKILL');
    const endMs = startedMs + 60_000;
    while ((await system.signIn(person(1)).catch(() => '')) === '') assert.ok(performance.now() < endMs);
    const healedMs = performance.now() - startedMs;
    assert.notEqual(await redis.masterPort(), master.port);
    for (const broker of [0, 1, 2]) {
      await system.until(async () => (await system.post(broker, '/oauth2/introspect', { token: 'x' })).status === 200);
    }
    clearInterval(timer);
    const answers = await Promise.all(held);
    const refused = answers.filter(({ status }) => status !== 200);
    for (const answer of refused) assert.equal(answer.status, 503);
    // A token that nobody holds must come from Redis, whichever pod is asked.
    const after = await Promise.all(
      sessions.map((token, i) => system.post((i + 1) % 3, '/oauth2/introspect', { token })),
    );
    const ended = after.filter(({ body }) => body.active !== true).length;
    const name = 'Redis behind sentinels, the master killed';
    record(`${name}: sessions signed out`, ended);
    record(`${name}: requests for held tokens served`, (100 * (answers.length - refused.length)) / answers.length);
    record(`${name}: slowest refusal`, Math.max(0, ...refused.map(({ ms }) => ms)));
    record(`${name}: until somebody signs in again`, healedMs / 1_000);
    console.log(`${answers.length} requests, ${refused.length} of them refused with 503`);
  });

  it('sign out on one and are signed out on all after it', async () => {
    const session = String(sessions[0]);
    assert.equal((await system.post(0, '/oauth2/revoke', { token: session })).status, 200);
    await system.until(async () => {
      const answers = await Promise.all([0, 1, 2].map((broker) => system.exchange(broker, session)));
      return answers.every(({ body }) => body.error === 'invalid_grant');
    });
  });
});

const info = (server: Parameters<typeof withRedis>[0], section: string) =>
  withRedis(server, async (client) => String(await client.sendCommand(['INFO', section])));
