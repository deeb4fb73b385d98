import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'redis';
import { z } from 'zod';
import { redisSentinelMs } from '../lifetimes.ts';
import type { connection, RedisOptions } from './clients.ts';

export type Address = { host: string; port: number };
type Follower = { onMaster: (address: Address) => void; onDown: (error: unknown) => void };

export type MasterWatch = {
  /** Calls back with the master, at once if it is known, and with each other one. Returns how to end that. */
  follow(onMaster: Follower['onMaster'], onDown: Follower['onDown']): () => void;
  /** Something tells that the master may be another now. */
  look(): void;
  close(): void;
};

/** What `SENTINEL MASTER` says: Redis, "High availability with Redis Sentinel". */
const response = z.object({ ip: z.string().min(1), port: z.coerce.number(), 'config-epoch': z.coerce.number() });

/** The sentinels respond, and cannot be used; `code` says why. */
class SentinelRefusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`${code} The sentinels name no master`);
    this.code = code;
  }
}

/**
 * Asks all sentinels who the master is, again and again, and believes the latest of their configurations: one that is
 * cut off from the others goes on naming the old master.
 */
export function watchMaster(
  options: Extract<RedisOptions, { mode: 'sentinel' }>,
  connect: typeof connection,
): MasterWatch {
  const closing = new AbortController();
  const followers = new Set<Follower>();
  let woken = Promise.withResolvers<void>();
  const sentinels = options.sentinels.map((url) => {
    const common = connect(url.startsWith('rediss:'), { ...options, credentials: options.sentinelCredentials });
    const client = createClient({ ...common, commandOptions: { timeout: options.commandTimeoutMs }, url });
    let trouble: unknown;
    client.on('ready', () => woken.resolve());
    client.on('error', (error) => {
      trouble = error;
    });
    client.connect().catch(() => {});
    const ask = async () => {
      if (!client.isReady) throw trouble;
      try {
        return response.parse(await client.sendCommand(['SENTINEL', 'MASTER', options.master]));
      } catch (error) {
        throw toRefusal(error) ?? error;
      }
    };
    return { ask, destroy: () => client.destroy() };
  });
  let current: Address | undefined;
  let epoch = -1;

  async function look(): Promise<void> {
    const asked = await Promise.allSettled(sentinels.map(({ ask }) => ask()));
    const known = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const latest = known.toSorted((a, b) => b['config-epoch'] - a['config-epoch'])[0];
    if (!latest) {
      const reasons = asked.flatMap((one) => (one.status === 'rejected' && one.reason ? [one.reason] : []));
      for (const { onDown } of followers) if (reasons.length > 0) onDown(reasons[0]);
      return;
    }
    const isOther = latest.ip !== current?.host || latest.port !== current.port;
    // An older configuration is news only where most say so: they were set up anew, and count from nothing.
    const isStale = latest['config-epoch'] < epoch && known.length * 2 <= sentinels.length;
    if (!isOther || isStale) return;
    epoch = latest['config-epoch'];
    current = { host: latest.ip, port: latest.port };
    for (const { onMaster } of followers) onMaster(current);
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      woken = Promise.withResolvers();
      await look();
      const pause = delay(redisSentinelMs, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      await Promise.race([pause, woken.promise]);
      // Many may ask for a look at once.
      await delay(redisSentinelMs / 10, undefined, { signal: closing.signal }).catch(() => {});
    }
  }
  void watch();

  return {
    follow(onMaster, onDown) {
      const follower = { onMaster, onDown };
      followers.add(follower);
      if (current) onMaster(current);
      return () => void followers.delete(follower);
    },
    look: () => woken.resolve(),
    close() {
      closing.abort();
      for (const { destroy } of sentinels) destroy();
    },
  };
}

/** The refusal that a response means: something of our own configuration is wrong. */
function toRefusal(error: unknown): SentinelRefusal | undefined {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('ERR No such master')) return new SentinelRefusal('NO_SUCH_MASTER');
  if (/^ERR unknown command/i.test(message)) return new SentinelRefusal('NO_SENTINEL');
  return undefined;
}
