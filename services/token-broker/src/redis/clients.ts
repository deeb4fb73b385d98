import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { checkServerIdentity, type PeerCertificate, type SecureContext } from 'node:tls';
import { isSecureContext } from '@onbehalf/node/core/address';
import { createClient, createCluster, RESP_TYPES, type RedisClientOptions } from '@redis/client';
import { redisConnectMs, redisDiscoveryMs, redisPingMs, redisSilenceMs, redisTopologyMs } from '../lifetimes.ts';
import type { RedisCredentials } from './password.ts';
import { MasterWatch } from './sentinel.ts';

/** Where Redis is. No URL holds credentials; `rediss://` is TLS. */
export type RedisServer =
  | { mode: 'standalone'; url: string }
  /** `url`: of any node. `nodes`: connect to the host that each node announces, or to the host of `url` with its port. */
  | { mode: 'cluster'; url: string; nodes: 'announced' | 'same-host' }
  /** `url`: scheme, database and certificate name of the master. The sentinels know its address. */
  | { mode: 'sentinel'; url: string; sentinels: string[]; master: string };

export type RedisOptions = RedisServer & {
  credentials?: RedisCredentials | undefined;
  /** For the sentinels. */
  sentinelCredentials?: RedisCredentials | undefined;
  /** The deadline of one command. */
  commandTimeoutMs: number;
  /** The trusted authorities and our certificate for TLS; by default Node's own authorities, and no certificate. */
  tls?: SecureContext | undefined;
  /** Allows credentials over plain connections to another host, e.g. if the network itself encrypts. */
  allowPlaintext?: boolean | undefined;
};

/** The part of a client that the broker uses, for every kind of Redis. */
export type RedisClient = {
  readonly isReady: boolean;
  send(key: string | undefined, args: (string | Buffer)[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  destroy(): void;
};

export type Hooks = { onDown: (error?: unknown) => void; onReady: () => void };

/** Returns the function that opens clients of this Redis. They connect in the background, and reconnect for ever. */
export function createOpener(options: RedisOptions): { open: (hooks: Hooks) => RedisClient; close: () => void } {
  if (options.mode === 'standalone') return { open: (hooks) => openStandalone(options, hooks), close: () => {} };
  if (options.mode === 'cluster') return { open: (hooks) => openCluster(options, hooks), close: () => {} };
  const watch = new MasterWatch(options, connection);
  return { open: (hooks) => openMaster(options, watch, hooks), close: () => watch.close() };
}

/** Each command has a deadline of ours. The default of the client, 5 s, would cost an AbortSignal per command. */
const commandOptions = { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

type Connection = Pick<RedisOptions, 'commandTimeoutMs' | 'tls' | 'credentials'>;

/** The options that connections of every kind share. */
export function connection(secure: boolean, { commandTimeoutMs, tls, credentials }: Connection) {
  const common = {
    socket: {
      connectTimeout: redisConnectMs,
      socketTimeout: commandTimeoutMs + redisSilenceMs,
      reconnectStrategy: (retries: number) =>
        Math.min(50 * 2 ** Math.min(retries, 5), 1_000) * (0.8 + Math.random() * 0.4),
      ...(secure && { tls: true, ...(tls && { secureContext: tls }) }),
    } as NonNullable<RedisClientOptions['socket']>,
    pingInterval: redisPingMs,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    commandOptions,
  } satisfies RedisClientOptions;
  if (!credentials) return common;
  return {
    ...common,
    // A getter: the nodes of a Cluster share these options, and each client needs an object of its own.
    get credentialsProvider() {
      return ofOneClient(credentials);
    },
  } satisfies RedisClientOptions;
}

/** A client subscribes for each of its connections and never ends the last subscription; this ends it. */
function ofOneClient(credentials: RedisCredentials): RedisCredentials {
  let held: { dispose(): void } | undefined;
  return {
    ...credentials,
    async subscribe(listener) {
      held?.dispose();
      const [first, subscription] = await credentials.subscribe(listener);
      held = subscription;
      return [first, subscription];
    },
  };
}

/**
 * The address of an announced node, and the names that its certificate may have: the announced host, or that of the URL.
 * Managed services announce addresses and have one certificate for all nodes (Learn, "Azure Managed Redis architecture");
 * other clusters may have one for each node. The announcement came over a verified connection.
 * @throws PlaintextRefused where a credential would go in the clear to another host.
 */
function announced(options: RedisOptions, host: string, port: number) {
  const { protocol, hostname } = new URL(options.url);
  const configured = hostname.replace(/^\[|\]$/g, '');
  const isKnown = host !== '' && host !== '?' && host !== 'null';
  const stays = !isKnown || (options.mode === 'cluster' && options.nodes === 'same-host');
  const target = { host: stays ? configured : host, port };
  if (protocol === 'rediss:') {
    const named = [target.host, configured];
    const servername = named.find((name) => isIP(name) === 0) ?? '';
    const check = (_: string, certificate: PeerCertificate) => {
      const [error, ...others] = named.map((name) => checkServerIdentity(name, certificate));
      return others.some((other) => other === undefined) ? undefined : error;
    };
    return { ...target, servername, checkServerIdentity: check };
  }
  const url = new URL(`redis://${urlHost(target.host)}`);
  if (options.credentials && !options.allowPlaintext && !isSecureContext(url)) throw new PlaintextRefused();
  return target;
}

const urlHost = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

/** A node announces another host, and the connection to it would send the credential unencrypted. */
class PlaintextRefused extends Error {
  readonly code = 'PLAINTEXT_REFUSED';

  constructor() {
    super('PLAINTEXT_REFUSED The credential would go to another host unencrypted');
  }
}

function openStandalone(
  options: RedisOptions,
  { onDown, onReady }: Hooks,
  at: RedisClientOptions = { url: options.url },
): RedisClient {
  const common = connection(options.url.startsWith('rediss:'), options);
  const socket = { ...common.socket, ...at.socket } as NonNullable<RedisClientOptions['socket']>;
  const client = createClient({ ...common, ...at, socket });
  client.on('error', onDown).on('ready', onReady);
  client.on('reconnecting', () => onDown()).on('end', () => onDown());
  const connected = client.connect();
  connected.catch(onDown);
  return {
    get isReady() {
      return client.isReady;
    },
    send: (_key, args) => client.sendCommand(args),
    subscribe: (channel, listener) => connected.then(() => client.subscribe(channel, listener)),
    destroy: () => client.destroy(),
  };
}

function openCluster(options: RedisOptions, { onDown, onReady }: Hooks): RedisClient {
  const defaults = connection(options.url.startsWith('rediss:'), options);
  const cluster = createCluster({
    rootNodes: [{ url: options.url }],
    defaults: defaults as object,
    commandOptions,
    topologyRefreshOnReconnectionAttemptStrategy: redisTopologyMs,
    nodeAddressMap: (address) => {
      const colon = address.lastIndexOf(':');
      return announced(options, address.slice(0, colon), Number(address.slice(colon + 1)));
    },
  });
  cluster.on('error', onDown).on('node-error', onDown).on('node-ready', onReady);
  const closing = new AbortController();
  const connect = async () => {
    // The client waits for each announced node, also for one that is gone.
    const overdue = setTimeout(() => cluster.destroy(), redisDiscoveryMs);
    await cluster.connect().finally(() => clearTimeout(overdue));
  };
  const connected = keepTrying(connect, closing.signal);
  return {
    get isReady() {
      return cluster.isReady;
    },
    send: (key, args) => cluster.sendCommand(key, false, args),
    subscribe: (channel, listener) => connected.then(() => cluster.subscribe(channel, listener)),
    destroy() {
      closing.abort();
      cluster.destroy();
    },
  };
}

/** A client of the master that the sentinels name. When they name another one, it connects to that. */
function openMaster(options: RedisOptions, watch: MasterWatch, hooks: Hooks): RedisClient {
  let client: RedisClient | undefined;
  let listening: ((to: RedisClient) => Promise<unknown>) | undefined;
  const first = Promise.withResolvers<RedisClient>();
  const database = Number(new URL(options.url).pathname.slice(1)) || 0;
  const onDown = (error?: unknown) => {
    // The sentinels may know another master by now.
    watch.look();
    hooks.onDown(error);
  };
  const unfollow = watch.follow(({ host, port }) => {
    client?.destroy();
    client = undefined;
    try {
      client = openStandalone(options, { ...hooks, onDown }, { socket: announced(options, host, port), database });
    } catch (error) {
      hooks.onDown(error);
      return;
    }
    listening?.(client).catch(hooks.onDown);
    first.resolve(client);
  }, hooks.onDown);
  return {
    get isReady() {
      return client?.isReady ?? false;
    },
    async send(key, args) {
      if (!client) throw new Error('there is no master yet');
      try {
        return await client.send(key, args);
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('READONLY')) watch.look();
        throw error;
      }
    },
    subscribe(channel, listener) {
      const listen = (to: RedisClient) => to.subscribe(channel, listener);
      return first.promise.then((to) => {
        listening = listen;
        return listen(client ?? to);
      });
    },
    destroy() {
      unfollow();
      client?.destroy();
    },
  };
}

/** A cluster client gives up when no root node responds at once; here it tries again until one does. */
async function keepTrying(connect: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await connect();
      return;
    } catch {
      await delay(1_000, undefined, { ref: false });
    }
  }
}
