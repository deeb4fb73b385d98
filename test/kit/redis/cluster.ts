import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { until } from '../until.ts';
import { openRedisClient, type RedisClient } from './client.ts';
import { openRedis, type Redis } from './server.ts';

type Node = Redis & {
  /** Where it speaks TLS, if it does. */
  tlsPort: number | undefined;
};
type Member = { node: Node; bus: number; client: RedisClient };
export type RedisCluster = AsyncDisposable & { nodes: Node[]; password: string };

type ClusterOptions = {
  /** Further lines of every node's configuration. */
  settings?: string[];
  /** Give each node a TLS port; `settings` name the certificate. */
  tls?: boolean;
  replicas?: boolean;
};

const slots = 16_384;
const formed = 'the Redis Cluster forms';

/** Opens a Redis Cluster of three masters, each with a replica, of the same real Redis that `openRedis` finds. */
export async function openRedisCluster(
  logDir: string,
  { settings: further = [], tls = false, replicas: hasReplicas = true }: ClusterOptions = {},
): Promise<RedisCluster> {
  const opened = new AsyncDisposableStack();
  const password = randomBytes(18).toString('base64url');
  const openNode = async (name: number) => {
    const bus = await freePort();
    const tlsPort = tls ? await freePort() : undefined;
    const settings = [
      ...further,
      ...(tlsPort === undefined ? [] : [`tls-port ${tlsPort}`]),
      `cluster-port ${bus}`,
      'cluster-enabled yes',
      'cluster-node-timeout 1000',
      `masterauth ${password}`,
    ];
    const env = { ...process.env, REDIS_URL: undefined };
    const options = { cacheDir: '.cache', logDir: join(logDir, `node-${name}`), env, password };
    const node = opened.use(
      await openRedis({ ...options, settings: [...settings, 'cluster-replica-validity-factor 0'] }),
    );
    const client = await openRedisClient(node);
    opened.defer(() => client.destroy());
    return { node: { ...node, tlsPort }, bus, client };
  };
  try {
    const members = await Promise.all((hasReplicas ? [1, 2, 3, 4, 5, 6] : [1, 2, 3]).map(openNode));
    await form(members);
    for (const { client } of members) client.destroy();
    return { nodes: members.map(({ node }) => node), password, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** Lets them meet, shares out the slots, and gives each master its replica. */
async function form(members: Member[]): Promise<void> {
  const [first, ...others] = members;
  if (!first) throw new Error('no node came up');
  for (const { node, bus } of others)
    await first.client.sendCommand(['CLUSTER', 'MEET', node.host, `${node.port}`, `${bus}`]);
  const masters = members.slice(0, 3);
  const bounds = [0, 5_461, 10_923, slots];
  for (const [i, { client }] of masters.entries()) {
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', `${bounds[i]}`, `${Number(bounds[i + 1]) - 1}`]);
  }
  for (const { client } of members)
    await until(async () => (await info(client)).includes(`cluster_known_nodes:${members.length}`), formed);
  for (const [i, { client }] of members.slice(3).entries()) {
    const master = String(await masters[i]?.client.sendCommand(['CLUSTER', 'MYID']));
    await until(async () => String(await client.sendCommand(['CLUSTER', 'NODES'])).includes(master), formed);
    await client.sendCommand(['CLUSTER', 'REPLICATE', master]);
  }
  for (const { client } of members) await until(async () => /cluster_state:ok/.test(await info(client)), formed);
  const replicas = members.slice(3).map(({ client }) => client);
  for (const client of replicas) {
    await until(
      async () => /master_link_status:up/.test(String(await client.sendCommand(['INFO', 'replication']))),
      formed,
    );
  }
}

const info = async (client: RedisClient) => String(await client.sendCommand(['CLUSTER', 'INFO']));
