import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';
import { mountFiles } from '../kit/mounts.ts';
import { freePort } from '../kit/ports.ts';
import { openRedisClient } from '../kit/redis/client.ts';
import { openRedisGate, type RedisGate } from '../kit/redis/gate.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { redisPassword } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';

const own = { cacheDir: '.cache', env: { ...process.env, REDIS_URL: undefined } };
/** What the broker may do, as docs/aks says: its own keys and channel, no admin commands. */
const rights = (prefix: string) => ['on', `~${prefix}*`, `&${prefix}*`, '+@all', '-@admin', '-@dangerous', '+info'];

describe('the broker signs in to Redis', { concurrency: true }, () => {
  it('as an ACL user over TLS with a private CA', async () => {
    await using stack = new AsyncDisposableStack();
    const tls = await openTls(['localhost', '127.0.0.1'], undefined);
    const files = { 'redis.crt': tls.cert, 'redis.key': tls.key, 'ca.pem': tls.ca };
    const port = await freePort();
    let redis: Redis | undefined;
    const system = stack.use(
      await openSystem({
        name: 'broker-redis-tls',
        brokers: 1,
        redisEnv: async (stateDir) => {
          const folder = await mountFiles(join(stateDir, 'tls'), { ...files, password: 'of-the-acl-user' });
          const settings = [
            ...[`tls-port ${port}`, `tls-cert-file ${folder}/redis.crt`, `tls-key-file ${folder}/redis.key`],
            ...[`tls-ca-cert-file ${folder}/ca.pem`, 'tls-auth-clients no'],
          ];
          redis = stack.use(await openRedis({ ...own, logDir: 'out/broker-redis-tls-server', settings }));
          const admin = await openRedisClient(redis);
          await admin.sendCommand(['ACL', 'SETUSER', 'broker', ...rights('acl:'), '>of-the-acl-user']);
          admin.destroy();
          return {
            REDIS_URL: `rediss://localhost:${port}`,
            REDIS_AUTH: 'password',
            REDIS_USERNAME: 'broker',
            REDIS_PASSWORD_FILE: join(folder, 'password'),
            REDIS_CA_FILE: join(folder, 'ca.pem'),
            REDIS_KEY_PREFIX: 'acl:',
          };
        },
      }),
    );
    await system.until(async () => (await system.signIn('alice').catch(() => '')) !== '');
    const session = await system.signIn('alice');
    assert.equal((await system.exchange(0, session)).status, 200);
    assert.equal((await system.post(0, '/oauth2/revoke', { token: session })).status, 200);
    assert.equal((await system.exchange(0, session)).body.error, 'invalid_grant');
  });

  it('not fully as a user without channels: nobody signs in, no code is spent, and all is well once it has them', async () => {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await openRedis({ ...own, logDir: 'out/broker-redis-channels-server' }));
    const admin = await openRedisClient(redis);
    stack.defer(() => admin.destroy());
    await admin.sendCommand(['ACL', 'SETUSER', 'broker', 'on', '~ch:*', 'resetchannels', '+@all', '>of-the-acl-user']);
    const system = stack.use(
      await openSystem({
        name: 'broker-redis-channels',
        brokers: 1,
        redisEnv: async (stateDir) => ({
          REDIS_URL: `redis://127.0.0.1:${redis.port}`,
          REDIS_USERNAME: 'broker',
          ...(await redisPassword(stateDir, 'of-the-acl-user')),
          REDIS_KEY_PREFIX: 'ch:',
        }),
      }),
    );
    const { fields } = await system.startSignIn('alice');
    await system.admin('DELETE', '/counters');
    const refused = await system.post(0, '/oauth2/token', fields);
    assert.deepEqual([refused.status, refused.body.error], [503, 'temporarily_unavailable']);
    assert.ok(refused.headers.has('retry-after'));
    assert.equal(await system.calls(), 0);
    const lines = (await readFile(system.brokers[0]?.child.logFile ?? '', 'utf8')).split('\n').filter(Boolean);
    const said = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'error');
    assert.deepEqual(
      said.map(({ event, refused }) => [event, refused]),
      [['redis.refused', ['&ch:*']]],
    );
    await admin.sendCommand(['ACL', 'SETUSER', 'broker', '&ch:*']);
    let session = '';
    await system.until(async () => {
      const { status, body } = await system.post(0, '/oauth2/token', fields);
      if (status === 200) session = String(body.access_token);
      else assert.equal(status, 503);
      return session !== '';
    });
    assert.equal((await system.post(0, '/oauth2/revoke', { token: session })).status, 200);
    assert.equal((await system.exchange(0, session)).body.error, 'invalid_grant');
  });

  it('with Entra ID, and again before each token expires, with no request failing', async () => {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await openRedis({ ...own, logDir: 'out/broker-redis-entra-server' }));
    const admin = await openRedisClient(redis);
    stack.defer(() => admin.destroy());
    let gate: RedisGate | undefined;
    const system = stack.use(
      await openSystem({
        name: 'broker-redis-entra',
        brokers: 2,
        seed: (usual) => ({ ...usual, apps: [...usual.apps, azureRedis] }),
        redisEnv: async (_stateDir, emulator) => {
          const { contoso } = emulator.ids.tenants;
          await fetch(`${emulator.admin}/lifetimes`, { method: 'PUT', body: JSON.stringify({ access: 6 }) });
          const setUser = (user: string, token: string) =>
            admin.sendCommand(['ACL', 'SETUSER', user, 'reset', ...rights('entra:'), `>${token}`]);
          gate = stack.use(
            await openRedisGate(redis, setUser, `${emulator.browserOrigin}/${contoso}/discovery/v2.0/keys`),
          );
          return {
            REDIS_URL: `redis://127.0.0.1:${gate.port}`,
            REDIS_AUTH: 'entra',
            REDIS_ENTRA_CLIENT_ID: emulator.ids.apps.web,
            REDIS_ENTRA_TENANT_ID: contoso,
            REDIS_KEY_PREFIX: 'entra:',
          };
        },
      }),
    );
    const door = gate as RedisGate | undefined;
    assert.ok(door);
    for (const broker of [0, 1]) {
      await system.until(async () => (await system.post(broker, '/oauth2/introspect', { token: 'x' })).status === 200);
    }
    /** Connections on which a broker has signed in again and again: each has one for commands and one for the channel. */
    const lasting = () => {
      const times = new Map<number, number>();
      for (const { connection } of door.entries) times.set(connection, (times.get(connection) ?? 0) + 1);
      return [...times.values()].filter((count) => count >= 3).length;
    };
    const endMs = performance.now() + 30_000;
    let asked = 0;
    while (lasting() < 4) {
      assert.ok(performance.now() < endMs, 'they do not sign in again on living connections');
      const { status } = await system.post(asked % 2, '/oauth2/introspect', { token: `unknown ${asked}` });
      assert.equal(status, 200, `request ${asked}`);
      asked += 1;
      await delay(10);
    }
    assert.equal(door.expired(), 0);
  });
});

const azureRedis = {
  name: 'redis',
  displayName: 'Azure Managed Redis',
  appId: 'ac49a7e0-7e57-4000-8000-000000000061',
  spId: 'ac49a7e0-7e57-4000-8000-000000000062',
  tid: 'contoso.test',
  identifierUri: 'https://redis.azure.com',
};
