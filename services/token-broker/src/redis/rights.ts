import { randomUUID } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import { findReason } from '@onbehalf/node/core/reason';
import { redisProbeMs, redisRetryAfterSeconds, redisRightsMs } from '../lifetimes.ts';
import { watch } from '../signals.ts';
import { freshVersion, type Store } from '../store/store.ts';
import type { Redis } from './redis.ts';
import { findRefusal } from './redis-errors.ts';
import { RedisStore } from './redis-store.ts';

type RightsOptions = Pick<Redis, 'command' | 'channel'> & {
  /** The name of the channel: the prefix of all keys, and a word after its last colon. */
  channelName: string;
  /** Settles when the channel is subscribed to, or Redis has refused that. */
  subscribed: () => Promise<unknown>;
  logger: Logger;
};

const value = Buffer.from('probe');
const session = () => {
  const createdAtSeconds = Math.floor(Date.now() / 1_000);
  return { sessionHash: 'probe', createdAtSeconds, expiresAtSeconds: createdAtSeconds + redisProbeMs / 1_000 };
};

/** Each operation of the store once, on a key of its own: all commands that the broker ever sends to Redis. */
const probes: Record<Exclude<keyof Store, 'channel' | 'permitted'>, (store: Store, key: string) => Promise<unknown>> = {
  get: (store, key) => store.get(key),
  getBoth: (store, key) => store.getBoth(key, key),
  set: (store, key) => store.set(key, value, redisProbeMs),
  setIfAbsent: (store, key) => store.setIfAbsent(key, value, redisProbeMs),
  replace: (store, key) => store.replace(key, undefined, value, redisProbeMs),
  delete: (store, key) => store.delete(key),
  addMember: (store, key) => store.addMember(key, 'probe', redisProbeMs),
  forceMember: (store, key) => store.forceMember(key, 'probe', redisProbeMs),
  members: (store, key) => store.members(key),
  removeMember: (store, key) => store.removeMember(key, 'probe'),
  readPartition: (store, key) => store.readPartition(key, ['t:probe']),
  readRecord: (store, key) => store.readRecord(key, 't:probe'),
  openSession: (store, key) => store.openSession(key, { session: session(), msal: value }),
  touchSession: (store, key) => store.touchSession(key, session()),
  closeSessions: (store, key) => store.closeSessions(key, ['probe']),
  openSessions: (store, key) => store.openSessions(key),
  writeToken: (store, key) =>
    store.writeToken(key, {
      ...{ version: undefined, fence: 1, field: 't:probe', record: value, msal: value },
      ...{ expiresAtSeconds: session().expiresAtSeconds, expiresWithTokens: true },
    }),
  reseal: (store, key) => store.reseal(key, 'msal', value, Buffer.from(freshVersion())),
  takeLease: (store, key) => store.takeLease(key, 'probe', redisProbeMs),
  renewLease: (store, key) => store.renewLease(key, 'probe', redisProbeMs),
  releaseLease: (store, key) => store.releaseLease(key, 'probe'),
  invalidate: (store, key) => store.invalidate([key]),
};

/**
 * Checks whether Redis permits all that the broker needs, by trying it: managed services offer no other way. Logs which
 * rights are missing, and again when that changes. Until all are there, no session may begin, since it might never be
 * ended; existing sessions are served as far as Redis permits.
 */
export class Rights {
  readonly #options: RightsOptions;
  readonly #prefix: string;
  #refused: string[] | undefined;
  #looking: Promise<void> | undefined;
  #dueAtMs = 0;

  constructor(options: RightsOptions) {
    this.#options = options;
    this.#prefix = options.channelName.slice(0, options.channelName.lastIndexOf(':') + 1);
    watch('onbehalf.cache.refused', () => this.#refused?.length);
  }

  /** Makes the next look due: the connection is new, or Redis has refused a command. */
  doubt(): void {
    if (!this.#refused?.length) this.#dueAtMs = 0;
  }

  /** Looks if it is time to. */
  async look(): Promise<void> {
    if (performance.now() >= this.#dueAtMs) await this.#lookNow();
  }

  /** @throws Fault `unavailable` while Redis refuses something, and until it has permitted everything once. */
  async permitted(): Promise<void> {
    if (this.#refused === undefined) await this.#lookNow();
    if (this.#refused?.length === 0) return;
    throw new Fault('unavailable', 'Nobody can sign in: the session store refuses commands that a sign-in needs.', {
      retryAfterSeconds: redisRetryAfterSeconds,
    });
  }

  #lookNow(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const found = await this.#tryAll();
    if (found === undefined) return;
    this.#dueAtMs = found.size > 0 ? performance.now() + redisRightsMs : Number.POSITIVE_INFINITY;
    const before = this.#refused ?? [];
    const refused = [...found.keys()].sort();
    this.#refused = refused;
    if (refused.join() === before.join()) return;
    const { logger } = this.#options;
    const reason = [...new Set(found.values())].join(' ');
    if (refused.length === 0) logger.info({ event: 'redis.permitted' }, 'Redis permits all that the broker needs');
    else logger.error({ event: 'redis.refused', reason, refused }, toSentence(refused, this.#prefix));
  }

  /** The rights that Redis refuses now, each with the reason; undefined if Redis is away or full. */
  async #tryAll(): Promise<Map<string, string> | undefined> {
    const { command, channel, channelName, subscribed } = this.#options;
    const found = new Map<string, string>();
    let silent = false;
    const note = (error: unknown, args: (string | Buffer)[]) => {
      const refusal = findRefusal(error, args, this.#prefix);
      if (refusal !== undefined) found.set(refusal, findReason(error));
      return refusal !== undefined;
    };
    const attempt = async (key: string | undefined, args: (string | Buffer)[]) => {
      try {
        return await command(key, args);
      } catch (error) {
        if (!note(error, args) && error instanceof Fault) silent = true;
        throw error;
      }
    };
    const store = new RedisStore({ command: attempt, channel, permitted: async () => {} }, channelName);
    const toKey = (operation: string) => `${this.#prefix}check:{${randomUUID()}}:${operation}`;
    const keys = Object.keys(probes).map(toKey);
    for (const [at, probe] of Object.values(probes).entries()) {
      await probe(store, keys[at] as string).catch(() => {});
      if (silent) return undefined;
    }
    // The store does not send a script that Redis has loaded already.
    const scripted = toKey('eval');
    await attempt(scripted, ['EVAL', 'return 1', '1', scripted]).catch(() => {});
    await Promise.all(keys.map((key) => attempt(key, ['DEL', key]).catch(() => {})));
    await subscribed().catch((error) => note(error, ['SUBSCRIBE']));
    return silent ? undefined : found;
  }
}

function toSentence(refused: string[], prefix: string): string {
  const mode = refused.find((one) => one.startsWith('REDIS_MODE'));
  if (mode) return `Redis is of the other kind, and nobody can sign in: set ${mode.replace(': must be ', '=')}`;
  const rights = `~${prefix}* &${prefix}* +@all -@admin -@dangerous`;
  return `Redis refuses the broker ${refused.join(' ')}, and nobody can sign in: give its user ${rights}`;
}
