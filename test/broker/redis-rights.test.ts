import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';
import type { RedisOptions } from '../../services/token-broker/src/redis/clients.ts';
import { mountFiles } from '../kit/mounts.ts';
import { freePort } from '../kit/ports.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisConnection, passwordOf } from '../kit/redis/connection.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { openRelay } from '../kit/relay.ts';

const password = 'of-the-users-of-this-file';
const documented = ['~p:*', '&p:*', '+@all', '-@admin', '-@dangerous'];
let redis: Redis;
let users = 0;

/** An ACL user of its own; gives its name. */
async function user(...rights: string[]): Promise<string> {
  const name = `somebody-${users++}`;
  await setUser(name, 'reset', 'on', `>${password}`, ...rights);
  return name;
}
const setUser = (name: string, ...rights: string[]) =>
  withRedis(redis, (client) => client.sendCommand(['ACL', 'SETUSER', name, ...rights]));

type More = Partial<Pick<RedisOptions, 'tls' | 'commandTimeoutMs'>> & {
  url?: string;
  mode?: 'standalone' | 'cluster';
  username?: string;
  password?: string | undefined;
};

/** The broker's connection, and what it says of it. */
function connect({ username, mode = 'standalone', ...more }: More = {}, channel?: string) {
  const url = `redis://127.0.0.1:${redis.port}`;
  const secret = 'password' in more ? more.password : password;
  return openRedisConnection((logger) => {
    const credentials = secret === undefined ? undefined : passwordOf(secret, username)(logger);
    return { url, mode, nodes: 'announced', commandTimeoutMs: 1_000, credentials, ...more };
  }, channel);
}

// Nobody else's: its users are of this file.
before(async () => {
  redis = await openRedis({
    cacheDir: '.cache',
    logDir: 'out/redis-rights',
    env: { ...process.env, REDIS_URL: undefined },
  });
  // It knows our scripts from now on: which right is refused depends on that.
  await using at = connect({ username: await user(...documented) });
  await at.heard();
  await at.connection.permitted();
});
after(() => redis[Symbol.asyncDispose]());

// Most of the time each test waits for Redis or for its own timer; each has a user of its own.
const concurrency = 4;

const isAway = { code: 'unavailable', status: 503 };
const script = '+evalsha, or what its script calls';

// One after another: a process that opens many connections at once may be late to see one stand, and call that an outage.
describe('a Redis that refuses', () => {
  it('nothing is not a word in the log, and leaves no key behind', async () => {
    const rights = documented.map((right) => right.replace('p:', 'own:'));
    await using at = connect({ username: await user(...rights) }, 'own:events');
    await at.heard();
    await at.connection.permitted();
    assert.deepEqual(at.said(), []);
    assert.deepEqual(await withRedis(redis, (client) => client.sendCommand(['KEYS', 'own:*'])), []);
  });

  it('is 503 and no outage to who asks for it', async () => {
    await using at = connect({ username: await user(...documented, '-eval') });
    await at.until('redis.refused');
    await assert.rejects(at.connection.command('p:k', ['EVAL', 'return 1', '1', 'p:k']), isAway);
    assert.equal(await at.connection.command('p:k', ['GET', 'p:k']), null);
    assert.ok(!at.said().some(({ event }) => event === 'redis.down'));
  });

  it('is not away, though it refuses everything', async () => {
    await using at = connect({ username: await user('~q:*', '&q:*', '+@all'), commandTimeoutMs: 250 });
    await at.until('redis.refused');
    // Longer than a Redis that says nothing is taken for one that hesitates.
    for (const endMs = performance.now() + 1_500; performance.now() < endMs; await delay(50)) {
      await assert.rejects(at.connection.command('p:k', ['GET', 'p:k']), isAway);
    }
    assert.equal(at.said().filter(({ event }) => event === 'redis.down').length, 0);
  });
});

describe('a Redis that refuses something', { concurrency }, () => {
  const rows: [what: string, rights: string[], refused: string[]][] = [
    ['channels, as Redis 7 does unless told otherwise', ['~p:*', 'resetchannels', '+@all'], ['&p:*']],
    ['its channel, but not another', ['~p:*', '&q:*', '+@all'], ['&p:*']],
    ['scripts', [...documented, '-@scripting'], ['+eval', '+evalsha']],
    ['scripts that are not loaded', [...documented, '-eval'], ['+eval']],
    ['a command inside scripts', [...documented, '-time'], [script]],
    ['its keys', ['~q:*', '&p:*', '+@all'], ['~p:*']],
    ['writing', ['%R~p:*', '&p:*', '+@all'], ['~p:*']],
    ['deleting', [...documented, '-del'], ['+del', script]],
    ['subscribing', [...documented, '-subscribe'], ['+subscribe']],
    ['two things', ['~p:*', 'resetchannels', '+@all', '-hget'], ['&p:*', '+hget', script]],
  ];
  for (const [what, rights, refused] of rows) {
    it(`is named in one line at error, and no session begins: ${what}`, async () => {
      await using at = connect({ username: await user(...rights) });
      const line = await at.until('redis.refused');
      assert.deepEqual([line.level, line.refused], ['error', refused.sort()]);
      assert.match(`${line.reason}`, /NOPERM|ERR/);
      for (const right of refused) assert.ok(line.msg.includes(right));
      await assert.rejects(at.connection.permitted(), isAway);
      await assert.rejects(at.connection.permitted(), isAway);
      assert.equal(at.said().filter(({ event }) => event === 'redis.refused').length, 1);
      assert.doesNotMatch(at.lines.join(''), new RegExp(`${password}|somebody`));
    });
  }

  it('lets no session begin before it has said so', async () => {
    await using at = connect({ username: await user('~p:*', 'resetchannels', '+@all') });
    for (;;) {
      await assert.rejects(at.connection.permitted(), isAway);
      if (at.said().length > 0) break;
    }
    assert.deepEqual((await at.until('redis.refused')).refused, ['&p:*']);
  });

  it('is found out while we run, and so is that it does not any more', async () => {
    const name = await user(...documented);
    await using at = connect({ username: name });
    await at.heard();
    await at.connection.permitted();
    await setUser(name, 'resetchannels');
    assert.deepEqual((await at.until('redis.refused')).refused, ['&p:*']);
    await assert.rejects(at.connection.permitted(), isAway);
    await setUser(name, '&p:*');
    assert.equal((await at.until('redis.permitted')).level, 'info');
    await at.connection.permitted();
  });

  it('is there again as soon as it refuses something after it was away', async () => {
    await using relay = await openRelay(redis);
    const username = await user('~q:*', '&q:*', '+@all');
    await using at = connect({ url: `redis://127.0.0.1:${relay.port}`, username, commandTimeoutMs: 250 });
    await at.until('redis.refused');
    relay.cut();
    await at.until('redis.down');
    relay.restore();
    await at.until('redis.up');
  });

  it('is of the other kind: no Cluster', async () => {
    await using at = connect({ mode: 'cluster', username: await user('~*', '&*', '+@all') });
    const { refused, msg } = await at.until('redis.refused');
    assert.deepEqual(refused, ['REDIS_MODE: must be standalone']);
    assert.match(msg, /set REDIS_MODE=standalone/);
    await assert.rejects(at.connection.permitted(), isAway);
  });
});

describe('a Redis that is away', { concurrency }, () => {
  it('is so for a reason that the log names', async () => {
    const fails = async (more: More, reason: RegExp) => {
      await using at = connect(more);
      await at.down(reason);
    };
    const nobody = `redis://127.0.0.1:${await freePort()}`;
    await fails({ username: await user(...documented), password: 'wrong' }, /^WRONGPASS$/);
    await fails({ password: undefined }, /^NOAUTH$/);
    await fails({ url: nobody }, /^ECONNREFUSED$/);
    await fails({ url: nobody, mode: 'cluster' }, /^ECONNREFUSED$/);
    await fails({ mode: 'cluster', password: 'wrong' }, /^WRONGPASS$/);
  });

  it('as one whose certificate is not trusted, or is for another name', async () => {
    const tls = await openTls(['localhost'], undefined);
    await using directory = await mkdtempDisposable(join(tmpdir(), 'onbehalf-'));
    const folder = await mountFiles(join(directory.path, 'tls'), { 'redis.crt': tls.cert, 'redis.key': tls.key });
    const port = await freePort();
    await using _secured = await openRedis({
      ...{ cacheDir: '.cache', logDir: 'out/redis-rights-tls', env: { ...process.env, REDIS_URL: undefined } },
      settings: [
        ...[`tls-port ${port}`, `tls-cert-file ${folder}/redis.crt`, `tls-key-file ${folder}/redis.key`],
        ...[`tls-ca-cert-file ${folder}/redis.crt`, 'tls-auth-clients no'],
      ],
    });
    await using unknown = connect({ url: `rediss://localhost:${port}` });
    await unknown.down(/SELF_SIGNED|UNABLE_TO/);
    await using other = connect({ url: `rediss://127.0.0.1:${port}`, tls: createSecureContext({ ca: tls.ca }) });
    await other.down(/^ERR_TLS_CERT_ALTNAME_INVALID$/);
  });

  it('is told of again where it comes to answer that it will not have us', async () => {
    const port = await freePort();
    await using at = connect({ url: `redis://127.0.0.1:${port}` });
    await at.down(/^ECONNREFUSED$/);
    const refuser = createServer((socket) => {
      socket.on('error', () => {}).on('data', () => socket.write('-WRONGPASS invalid username-password pair\r\n'));
    }).listen(port, '127.0.0.1');
    for (const endMs = performance.now() + 15_000; at.said().length < 2; await delay(10)) {
      assert.ok(performance.now() < endMs);
    }
    assert.deepEqual(
      at.said().map(({ event, reason }) => [event, reason]),
      [
        ['redis.down', 'ECONNREFUSED'],
        ['redis.down', 'WRONGPASS'],
      ],
    );
    refuser.close();
  });
});
