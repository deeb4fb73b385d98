import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { z } from 'zod';
import { redisSentinelMs } from '../lifetimes.ts';
import type { connection, RedisOptions } from './clients.ts';

export type Address = { host: string; port: number };
type Follower = { onMaster: (address: Address) => void; onDown: (error: unknown) => void };

/** The response to `SENTINEL MASTER`: Redis, "High availability with Redis Sentinel". */
const response = z.object({ ip: z.string().min(1), port: z.coerce.number(), 'config-epoch': z.coerce.number() });

/** A sentinel responds, but does not name a master; `code` is the reason. */
class SentinelRefusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`${code} The sentinels name no master`);
    this.code = code;
  }
}

type SentinelOptions = Extract<RedisOptions, { mode: 'sentinel' }>;

/** The connection to one sentinel. */
class Sentinel {
  readonly #client: { readonly isReady: boolean; sendCommand(args: string[]): Promise<unknown>; destroy(): void };
  readonly #master: string;
  #trouble: unknown;

  constructor(url: string, options: SentinelOptions, connect: typeof connection, onReady: () => void) {
    const common = connect(url.startsWith('rediss:'), { ...options, credentials: options.sentinelCredentials });
    const client = createClient({ ...common, commandOptions: { timeout: options.commandTimeoutMs }, url });
    client.on('ready', onReady);
    client.on('error', (error) => {
      this.#trouble = error;
    });
    client.connect().catch(() => {});
    this.#client = client;
    this.#master = options.master;
  }

  /** What it knows of the master. @throws SentinelRefusal, or the error of the connection. */
  async ask(): Promise<z.output<typeof response>> {
    if (!this.#client.isReady) throw this.#trouble;
    try {
      return response.parse(await this.#client.sendCommand(['SENTINEL', 'MASTER', this.#master]));
    } catch (error) {
      throw toRefusal(error) ?? error;
    }
  }

  destroy(): void {
    this.#client.destroy();
  }
}

/**
 * Asks all sentinels for the master, again and again, and follows the latest of their configurations: a sentinel that is
 * cut off from the others goes on naming the old master.
 */
export class MasterWatch {
  readonly #sentinels: Sentinel[];
  readonly #closing = new AbortController();
  readonly #followers = new Set<Follower>();
  #woken = Promise.withResolvers<void>();
  #current: Address | undefined;
  #epoch = -1;

  constructor(options: SentinelOptions, connect: typeof connection) {
    this.#sentinels = options.sentinels.map((url) => new Sentinel(url, options, connect, () => this.look()));
    void this.#watch();
  }

  /** Calls back with the master, at once if it is known, and with each other one. Returns how to end that. */
  follow(onMaster: Follower['onMaster'], onDown: Follower['onDown']): () => void {
    const follower = { onMaster, onDown };
    this.#followers.add(follower);
    if (this.#current) onMaster(this.#current);
    return () => void this.#followers.delete(follower);
  }

  /** Asks the sentinels now: something shows that the master may be another. */
  look(): void {
    this.#woken.resolve();
  }

  close(): void {
    this.#closing.abort();
    for (const sentinel of this.#sentinels) sentinel.destroy();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      await this.#askAll();
      const pause = delay(redisSentinelMs, undefined, { signal, ref: false }).catch(() => {});
      await Promise.race([pause, this.#woken.promise]);
      // Many may ask for a look at once.
      await delay(redisSentinelMs / 10, undefined, { signal }).catch(() => {});
    }
  }

  async #askAll(): Promise<void> {
    const asked = await Promise.allSettled(this.#sentinels.map((sentinel) => sentinel.ask()));
    const known = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const latest = known.toSorted((a, b) => b['config-epoch'] - a['config-epoch'])[0];
    if (!latest) {
      const reasons = asked.flatMap((one) => (one.status === 'rejected' && one.reason ? [one.reason] : []));
      for (const { onDown } of this.#followers) if (reasons.length > 0) onDown(reasons[0]);
      return;
    }
    const isOther = latest.ip !== this.#current?.host || latest.port !== this.#current.port;
    // An older configuration is followed only where most sentinels give it: they were set up anew, and count from zero.
    const isStale = latest['config-epoch'] < this.#epoch && known.length * 2 <= this.#sentinels.length;
    if (!isOther || isStale) return;
    this.#epoch = latest['config-epoch'];
    this.#current = { host: latest.ip, port: latest.port };
    for (const { onMaster } of this.#followers) onMaster(this.#current);
  }
}

/** The error of a response that shows a wrong configuration of ours; undefined for other errors. */
function toRefusal(error: unknown): SentinelRefusal | undefined {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('ERR No such master')) return new SentinelRefusal('NO_SUCH_MASTER');
  if (/^ERR unknown command/i.test(message)) return new SentinelRefusal('NO_SENTINEL');
  return undefined;
}
