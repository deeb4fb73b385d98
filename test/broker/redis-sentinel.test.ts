import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createSecureContext } from 'node:tls';
import { freePort } from '../kit/ports.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisConnection, passwordOf } from '../kit/redis/connection.ts';
import { openRedisSentinels, type RedisSentinels } from '../kit/redis/sentinels.ts';
import { mountRedisTls, type RedisTls } from '../kit/redis/tls.ts';
import { until } from '../kit/until.ts';

let tls: RedisTls;
let redis: RedisSentinels;
const opened = new AsyncDisposableStack();

before(async () => {
  const directory = opened.use(await mkdtempDisposable(join(tmpdir(), 'onbehalf-')));
  tls = await mountRedisTls(directory.path, ['localhost']);
  redis = opened.use(await openRedisSentinels('out/redis-sentinel', { tls: true, settings: tls.settings }));
});
after(() => opened.disposeAsync());

type More = {
  scheme?: string;
  host?: string;
  sentinels?: string[];
  master?: string;
  password?: string;
  sentinelPassword?: string;
};

/** Over plain TCP unless said: the sentinels announce the ports of that. */
function connect({ scheme = 'redis', host = 'localhost', sentinels, master = redis.master, ...more }: More = {}) {
  return openRedisConnection((logger) => ({
    ...{ mode: 'sentinel', url: `${scheme}://${host}`, master, commandTimeoutMs: 1_000 },
    sentinels: sentinels ?? redis.sentinels.map(({ port }) => `redis://127.0.0.1:${port}`),
    credentials: passwordOf(more.password ?? redis.password)(logger),
    sentinelCredentials: passwordOf(more.sentinelPassword ?? redis.sentinelPassword)(logger),
    tls: createSecureContext({ ca: tls.ca }),
  }));
}

const overTls = () => redis.sentinels.map(({ tlsPort }) => `rediss://localhost:${tlsPort}`);

describe('a Redis behind sentinels', () => {
  it('is written to where they say, and heard', async () => {
    await using at = connect();
    await at.heard();
    await at.connection.permitted();
    await at.connection.command('p:k', ['SET', 'p:k', 'v', 'PX', '10000']);
    const [master] = redis.servers;
    assert.ok(master);
    assert.equal(await withRedis(master, (client) => client.get('p:k')), 'v');
    const isError = ({ level, event }: { level: string; event: string }) => level === 'error' && event !== 'redis.down';
    assert.deepEqual(at.said().filter(isError), []);
  });

  it('is found by sentinels that speak TLS, though one of them is away', async () => {
    const [, ...others] = overTls();
    await using at = connect({ sentinels: [`rediss://localhost:${await freePort()}`, ...others] });
    await at.heard();
    await at.connection.permitted();
  });

  it('is away for a reason that the log names', async () => {
    const fails = async (more: More, reason: RegExp) => {
      await using at = connect(more);
      await at.down(reason);
      await assert.rejects(at.connection.permitted(), { code: 'unavailable' });
    };
    const nobody = `redis://127.0.0.1:${await freePort()}`;
    await fails({ sentinels: [nobody] }, /^ECONNREFUSED$/);
    await fails({ master: 'another' }, /^NO_SUCH_MASTER$/);
    await fails({ sentinelPassword: 'wrong' }, /^WRONGPASS$/);
    await fails({ password: 'wrong' }, /^WRONGPASS$/);
    const server = { sentinels: [`redis://127.0.0.1:${redis.servers[0]?.port}`], sentinelPassword: redis.password };
    await fails(server, /^NO_SENTINEL$/);
    const unnamed = overTls().map((url) => url.replace('localhost', '127.0.0.1'));
    await fails({ sentinels: unnamed }, /^ERR_TLS_CERT_ALTNAME_INVALID$/);
  });

  it('gets no credential in the clear where the sentinels name another host', async () => {
    const [sentinel] = redis.sentinels;
    assert.ok(sentinel);
    const announced = (name: string, args: string[]) => redis.ask(sentinel.port, 'SENTINEL', name, ...args);
    await announced('MONITOR', ['elsewhere', '192.0.2.1', '6379', '1']);
    await using at = connect({ master: 'elsewhere' });
    await at.down(/^PLAINTEXT_REFUSED$/);
    await announced('REMOVE', ['elsewhere']);
  });

  it('is followed to another master, by its commands and its channel', async () => {
    await using at = connect();
    await at.heard();
    const [first] = redis.sentinels;
    assert.ok(first);
    const before = await redis.masterPort();
    await redis.ask(first.port, 'SENTINEL', 'FAILOVER', redis.master);
    await until(async () => (await redis.masterPort()) !== before, 'there is another master');
    const now = redis.servers.find(({ port }) => port !== before);
    assert.ok(now);
    // For a moment the old one still takes what is written.
    const written = async () => {
      await at.connection.command('p:k', ['SET', 'p:k', 'after', 'PX', '10000']).catch(() => {});
      return (await withRedis(now, (client) => client.get('p:k'))) === 'after';
    };
    await until(written, 'the new master is followed');
    const heard = Promise.withResolvers<void>();
    // Among the messages of its own rights.
    at.connection.channel.onInvalidate((what) => what === 'after' && heard.resolve());
    await at.heard();
    await withRedis(now, (client) => client.publish('p:events', 'i:after'));
    await heard.promise;
  });
});
