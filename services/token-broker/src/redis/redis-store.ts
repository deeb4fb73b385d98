import { readHashTag } from '../store/redis-keys.ts';
import { freshVersion, type OpenSession, type Store, tokensPerPartition } from '../store/store.ts';
import type { Redis } from './redis.ts';
import * as scripts from './scripts.ts';

/** The store on Redis, standalone or Cluster. `channelName`: the channel between pods. */
export function redisStore(redis: Omit<Redis, typeof Symbol.asyncDispose>, channelName: string): Store {
  const command: Redis['command'] = (key, args) => redis.command(key, args);

  async function run({ lua, sha }: scripts.Script, key: string, ...args: (string | Buffer)[]): Promise<unknown> {
    try {
      return await command(key, ['EVALSHA', sha, '1', key, ...args]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await command(key, ['EVAL', lua, '1', key, ...args]);
    }
  }

  return {
    channel: redis.channel,
    permitted: () => redis.permitted(),
    get: async (key) => buffer(await command(key, ['GET', key])),
    async getBoth(one, other) {
      const apart = () => Promise.all([one, other].map((key) => command(key, ['GET', key])));
      const together = () => command(one, ['MGET', one, other]) as Promise<unknown[]>;
      const [first, second] = await (readHashTag(one) === readHashTag(other) ? together() : apart());
      return [buffer(first), buffer(second)];
    },
    set: async (key, value, ttlMs) => void (await command(key, ['SET', key, value, 'PX', ms(ttlMs)])),
    setIfAbsent: async (key, value, ttlMs) => (await command(key, ['SET', key, value, 'NX', 'PX', ms(ttlMs)])) !== null,
    replace: async (key, read, anew, ttlMs) =>
      (await run(scripts.replace, key, read ?? none, anew ?? none, ms(ttlMs))) === 1,
    delete: async (key) => void (await command(key, ['DEL', key])),

    addMember: async (setKey, member, ttlMs) => Number(await run(scripts.addMember, setKey, member, ms(ttlMs))),
    forceMember: async (setKey, member, ttlMs) => void (await run(scripts.forceMember, setKey, member, ms(ttlMs))),
    members: async (setKey) => Array.from((await command(setKey, ['SMEMBERS', setKey])) as Iterable<unknown>, String),
    removeMember: async (setKey, member) => void (await command(setKey, ['SREM', setKey, member])),

    async readPartition(key, fields) {
      const [version, msal, ...records] = (await command(key, ['HMGET', key, 'v', 'msal', ...fields])) as unknown[];
      return { version: buffer(version)?.toString(), msal: buffer(msal), records: records.map(sealedPart) };
    },
    readRecord: async (key, field) => sealedPart(await command(key, ['HGET', key, field])),
    async openSession(key, { session, msal }) {
      return parseSessions(
        await run(scripts.openSession, key, freshVersion(), msal, session.sessionHash, sessionValue(session)),
      );
    },
    touchSession: async (key, session) =>
      (await run(scripts.touchSession, key, session.sessionHash, sessionValue(session))) === 1,
    closeSessions: async (key, hashes) => (await run(scripts.closeSessions, key, ...hashes)) === 1,
    openSessions: async (key) => parseSessions(await run(scripts.openSessions, key)),
    async writeToken(key, { version = '', fence, field, record, expiresAtSeconds, msal = '', expiresWithTokens }) {
      const [lives, most] = [expiresWithTokens ? '1' : '0', `${tokensPerPartition}`];
      const args = [version, freshVersion(), field, `${fence}`, `${expiresAtSeconds}`, record, msal, lives, most];
      return String(await run(scripts.writeToken, key, ...args)) as 'written' | 'fenced' | 'gone';
    },
    reseal: async (key, field, read, anew) => void (await run(scripts.reseal, key, field, read, anew)),

    async takeLease(key, owner, ttlMs) {
      const [granted, value] = (await run(scripts.takeLease, key, owner, ms(ttlMs))) as [number, number];
      return granted === 1 ? { fence: value } : { heldForMs: Math.max(value, 0) };
    },
    renewLease: async (key, owner, ttlMs) => (await run(scripts.renewLease, key, owner, ms(ttlMs))) === 1,
    releaseLease: async (key, owner) => void (await run(scripts.releaseLease, key, owner, channelName)),

    invalidate: async (keys) =>
      void (await Promise.all(keys.map((key) => command(undefined, ['PUBLISH', channelName, `i:${key}`])))),
  };
}

/** No value, as the script `replace` is told. */
const none = '';

function ms(ttlMs: number): string {
  return String(Math.max(1, Math.floor(ttlMs)));
}

function buffer(reply: unknown): Buffer | undefined {
  return Buffer.isBuffer(reply) ? reply : undefined;
}

/** A token record without the fence and the end that the scripts read in front of it. */
function sealedPart(reply: unknown): Buffer | undefined {
  if (!Buffer.isBuffer(reply)) return undefined;
  return reply.subarray(reply.indexOf('|', reply.indexOf('|') + 1) + 1);
}

function sessionValue({ expiresAtSeconds, createdAtSeconds }: OpenSession): string {
  return `${expiresAtSeconds}|${createdAtSeconds}`;
}

function parseSessions(reply: unknown): OpenSession[] {
  const flat = Array.from(reply as Iterable<unknown>, String);
  return flat.flatMap((sessionHash, i) => {
    if (i % 2 === 1) return [];
    const [expires, created] = (flat[i + 1] ?? '').split('|');
    return [{ sessionHash, expiresAtSeconds: Number(expires), createdAtSeconds: Number(created) }];
  });
}
