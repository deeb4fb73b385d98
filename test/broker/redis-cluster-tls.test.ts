import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createSecureContext } from 'node:tls';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';
import type { RedisOptions } from '../../services/token-broker/src/redis/clients.ts';
import { mountFiles } from '../kit/mounts.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisCluster, type RedisCluster } from '../kit/redis/cluster.ts';
import { openRedisConnection, passwordOf } from '../kit/redis/connection.ts';
import { mountRedisTls, type RedisTls } from '../kit/redis/tls.ts';

/** As Azure Managed Redis has it with the OSS clustering policy: one name for all nodes, which announce addresses. */
let tls: RedisTls;
let cluster: RedisCluster;
let directory: string;
const opened = new AsyncDisposableStack();

before(async () => {
  directory = opened.use(await mkdtempDisposable(join(tmpdir(), 'onbehalf-'))).path;
  tls = await mountRedisTls(directory, ['localhost']);
  const settings = [...tls.settings, 'tls-cluster yes', 'cluster-announce-hostname nowhere.invalid'];
  cluster = opened.use(await openRedisCluster('out/redis-cluster-tls', { tls: true, replicas: false, settings }));
});
after(() => opened.disposeAsync());

/** What the nodes call themselves to those who ask. */
async function announce(how: 'ip' | 'hostname' | 'unknown-endpoint'): Promise<void> {
  for (const node of cluster.nodes) {
    await withRedis(node, (client) => client.sendCommand(['CONFIG', 'SET', 'cluster-preferred-endpoint-type', how]));
  }
}

function connect({ host = 'localhost', nodes = 'announced' as const, ca = tls.ca }: Partial<More> = {}) {
  return openRedisConnection((logger): RedisOptions => {
    const url = `rediss://${host}:${cluster.nodes[0]?.tlsPort}`;
    const credentials = passwordOf(cluster.password)(logger);
    return { mode: 'cluster', url, nodes, commandTimeoutMs: 1_000, credentials, tls: createSecureContext({ ca }) };
  });
}

/** Gives every node but the first a certificate for another name, until it is disposed of. */
async function certifyOthers(name: string): Promise<AsyncDisposable & { ca: string }> {
  const other = await openTls([name], undefined);
  const folder = await mountFiles(join(directory, name), { crt: other.cert, key: other.key });
  const certify = async (files: string) => {
    const named = ['tls-cert-file', `${files}/crt`, 'tls-key-file', `${files}/key`];
    for (const node of cluster.nodes.slice(1)) {
      await withRedis(node, (client) => client.sendCommand(['CONFIG', 'SET', ...named]));
    }
  };
  await certify(folder);
  return { ca: other.ca, [Symbol.asyncDispose]: () => certify(tls.folder) };
}

type More = { host: string; nodes: 'announced' | 'same-host'; ca: string };

/** Writes to every node and reads it back, and hears its own messages. */
async function works(at: ReturnType<typeof connect>): Promise<void> {
  await at.heard();
  await at.connection.permitted();
  for (let n = 0; n < 60; n += 1) {
    const key = `p:{${n}}`;
    await at.connection.command(key, ['SET', key, `${n}`, 'PX', '10000']);
    assert.equal(String(await at.connection.command(key, ['GET', key])), `${n}`);
  }
  for (const node of cluster.nodes) {
    const own = await withRedis(node, async (client) => Number(await client.sendCommand(['DBSIZE'])));
    assert.ok(own > 0, 'a node was left out');
  }
  assert.deepEqual(
    at.said().filter(({ level, event }) => level === 'error' && event !== 'redis.down'),
    [],
  );
}

describe('a Redis Cluster over TLS', () => {
  it('works where nodes announce addresses and the certificate has the one name that is configured', async () => {
    await announce('ip');
    await using at = connect();
    await works(at);
  });

  it('works where nodes have a certificate for what they announce, and not for the configured name', async () => {
    await announce('ip');
    await using own = await certifyOthers('127.0.0.1');
    await using at = connect({ ca: `${tls.ca}${own.ca}` });
    await works(at);
  });

  it('is refused at a node whose certificate has neither, though the first has', async () => {
    await announce('ip');
    await using own = await certifyOthers('elsewhere.test');
    await using at = connect({ ca: `${tls.ca}${own.ca}` });
    await at.down(/^ERR_TLS_CERT_ALTNAME_INVALID$/);
    await assert.rejects(at.connection.command('p:k', ['GET', 'p:k']), { code: 'unavailable' });
  });

  it('works where nodes announce no name at all', async () => {
    await announce('unknown-endpoint');
    await using at = connect();
    await works(at);
  });

  it('works where nodes announce what is not reached from here, if told that all are at the one host', async () => {
    await announce('hostname');
    await using at = connect({ nodes: 'same-host' });
    await works(at);
    await using lost = connect();
    await lost.down(/^ENOTFOUND$/);
  });

  it('is refused where the certificate has neither the announced nor the configured name', async () => {
    await announce('ip');
    await using at = connect({ host: '127.0.0.1' });
    await at.down(/^ERR_TLS_CERT_ALTNAME_INVALID$/);
    await assert.rejects(at.connection.command('p:k', ['GET', 'p:k']), { code: 'unavailable' });
  });

  it('is refused where its certificate is of another authority', async () => {
    const { ca } = await openTls(['localhost'], undefined);
    await using at = connect({ ca });
    await at.down(/UNABLE_TO|SELF_SIGNED/);
  });
});
