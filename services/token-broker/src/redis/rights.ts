import { randomUUID } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { redisProbeMs, redisRetryAfterSeconds, redisRightsMs } from '../lifetimes.ts';
import { watch } from '../signals.ts';
import { type Channel, freshVersion, type Store } from '../store/store.ts';
import { reasonOf } from './reason.ts';
import type { Redis } from './redis.ts';
import { redisStore } from './redis-store.ts';

type RightsOptions = Pick<Redis, 'command'> & { events: Channel } & {
  /** Named as the keys are: what stands before its last colon is their prefix. */
  channel: string;
  /** Settles when the channel is subscribed to, or Redis has refused that. */
  subscribed: () => Promise<unknown>;
  logger: Logger;
};

const value = Buffer.from('probe');
const session = () => {
  const createdAtSeconds = Math.floor(Date.now() / 1_000);
  return { sessionHash: 'probe', createdAtSeconds, expiresAtSeconds: createdAtSeconds + redisProbeMs / 1_000 };
};

/** Each operation of the store once, on a key of its own: all that the broker ever asks of Redis. */
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
 * Finds out whether Redis lets the broker do what it needs, by doing it: managed services offer no other way. What is
 * refused is named in one line of the log, and again when that changes. While something is, no session may begin, since
 * it might never be ended; what already began goes on as far as Redis lets it.
 */
export function createRights({ command, events, channel, subscribed, logger }: RightsOptions) {
  const prefix = channel.slice(0, channel.lastIndexOf(':') + 1);
  let refused: string[] | undefined;
  let looking: Promise<void> | undefined;
  let dueAtMs = 0;
  watch('onbehalf.cache.refused', () => refused?.length);

  /** What is refused now; undefined if Redis cannot say, because it is away or full. */
  async function tryAll(): Promise<Map<string, string> | undefined> {
    const found = new Map<string, string>();
    let silent = false;
    const note = (error: unknown, args: (string | Buffer)[]) => {
      const what = refusalOf(error, args, prefix);
      if (what !== undefined) found.set(what, reasonOf(error));
      return what !== undefined;
    };
    const attempt = async (key: string | undefined, args: (string | Buffer)[]) => {
      try {
        return await command(key, args);
      } catch (error) {
        if (!note(error, args) && error instanceof Fault) silent = true;
        throw error;
      }
    };
    const store = redisStore({ command: attempt, channel: events, permitted: async () => {} }, channel);
    const keyOf = (operation: string) => `${prefix}check:{${randomUUID()}}:${operation}`;
    const keys = Object.keys(probes).map(keyOf);
    for (const [at, probe] of Object.values(probes).entries()) {
      await probe(store, keys[at] as string).catch(() => {});
      if (silent) return undefined;
    }
    // Where a script is loaded already, the store does not send it.
    const scripted = keyOf('eval');
    await attempt(scripted, ['EVAL', 'return 1', '1', scripted]).catch(() => {});
    await Promise.all(keys.map((key) => attempt(key, ['DEL', key]).catch(() => {})));
    await subscribed().catch((error) => note(error, ['SUBSCRIBE']));
    return silent ? undefined : found;
  }

  async function look(): Promise<void> {
    const found = await tryAll();
    if (found === undefined) return;
    dueAtMs = found.size > 0 ? performance.now() + redisRightsMs : Number.POSITIVE_INFINITY;
    const before = refused ?? [];
    refused = [...found.keys()].sort();
    if (refused.join() === before.join()) return;
    const reason = [...new Set(found.values())].join(' ');
    if (refused.length === 0) logger.info({ event: 'redis.permitted' }, 'Redis lets the broker do all it needs');
    else logger.error({ event: 'redis.refused', reason, refused }, sentenceOf(refused, prefix));
  }

  const lookNow = () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  return {
    /** What was found out may be true no more: Redis is another, or refused something. */
    doubt() {
      if (!refused?.length) dueAtMs = 0;
    },
    /** Looks if it is time to. */
    async look(): Promise<void> {
      if (performance.now() >= dueAtMs) await lookNow();
    },
    /** @throws Fault `unavailable` while Redis refuses something, and before it has let us do all once. */
    async permitted(): Promise<void> {
      if (refused === undefined) await lookNow();
      if (refused?.length === 0) return;
      throw new Fault('unavailable', 'Nobody can sign in: the session store refuses what that needs.', {
        retryAfterSeconds: redisRetryAfterSeconds,
      });
    },
  };
}

/**
 * What Redis refuses by this error, in the words of its ACL or of our configuration; undefined if it refuses nothing.
 * It is made of the reply's known shapes: the rest of a reply may quote anything.
 */
export function refusalOf(error: unknown, args: (string | Buffer)[] = [], prefix = ''): string | undefined {
  const reply = error instanceof Fault ? error.cause : error;
  if (!(reply instanceof Error)) return undefined;
  const { message } = reply;
  if (/^MOVED /.test(message)) return 'REDIS_MODE: must be cluster';
  if (/cluster support disabled/.test(message)) return 'REDIS_MODE: must be standalone';
  const unknown = /^ERR unknown command ['`](\w{1,20})/i.exec(message)?.[1];
  if (unknown) return `+${unknown.toLowerCase()}`;
  if (!/^NOPERM |ACL failure|user executing the script|^ERR Unknown Redis command/i.test(message)) return undefined;
  if (/channel/.test(message)) return `&${prefix}*`;
  if (/\bkeys?\b/.test(message)) return `~${prefix}*`;
  const command = /'([a-z|]{1,20})' command/i.exec(message)?.[1] ?? /^NOPERM/.exec(message)?.[0];
  if (command && command !== 'NOPERM') return `+${command.toLowerCase()}`;
  return `+${String(args[0] ?? '').toLowerCase()}, or what its script calls`;
}

function sentenceOf(refused: string[], prefix: string): string {
  const mode = refused.find((one) => one.startsWith('REDIS_MODE'));
  if (mode) return `Redis is of the other kind, and nobody can sign in: set ${mode.replace(': must be ', '=')}`;
  const rights = `~${prefix}* &${prefix}* +@all -@admin -@dangerous`;
  return `Redis refuses the broker ${refused.join(' ')}, and nobody can sign in: give its user ${rights}`;
}
