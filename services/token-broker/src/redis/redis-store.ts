import { readHashTag } from '../store/redis-keys.ts';
import {
  type Channel,
  freshVersion,
  type OpenSession,
  type PartitionRead,
  type SessionWrite,
  type Store,
  type TokenWrite,
  tokensPerPartition,
} from '../store/store.ts';
import type { Redis } from './redis.ts';
import * as scripts from './scripts.ts';

/** The store on Redis, standalone or Cluster. */
export class RedisStore implements Store {
  readonly #redis: Omit<Redis, typeof Symbol.asyncDispose>;
  readonly #channelName: string;

  /** `channelName`: the channel between pods. */
  constructor(redis: Omit<Redis, typeof Symbol.asyncDispose>, channelName: string) {
    this.#redis = redis;
    this.#channelName = channelName;
  }

  get channel(): Channel {
    return this.#redis.channel;
  }

  permitted(): Promise<void> {
    return this.#redis.permitted();
  }

  async get(key: string): Promise<Buffer | undefined> {
    return toBuffer(await this.#command(key, ['GET', key]));
  }

  async getBoth(one: string, other: string): Promise<[Buffer | undefined, Buffer | undefined]> {
    if (readHashTag(one) !== readHashTag(other)) return await Promise.all([this.get(one), this.get(other)]);
    const [first, second] = (await this.#command(one, ['MGET', one, other])) as unknown[];
    return [toBuffer(first), toBuffer(second)];
  }

  async set(key: string, value: Buffer, ttlMs: number): Promise<void> {
    await this.#command(key, ['SET', key, value, 'PX', toMs(ttlMs)]);
  }

  async setIfAbsent(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    return (await this.#command(key, ['SET', key, value, 'NX', 'PX', toMs(ttlMs)])) !== null;
  }

  async replace(key: string, read: Buffer | undefined, anew: Buffer | undefined, ttlMs: number): Promise<boolean> {
    return (await this.#run(scripts.replace, key, read ?? none, anew ?? none, toMs(ttlMs))) === 1;
  }

  async delete(key: string): Promise<void> {
    await this.#command(key, ['DEL', key]);
  }

  async addMember(setKey: string, member: string, ttlMs: number): Promise<number> {
    return Number(await this.#run(scripts.addMember, setKey, member, toMs(ttlMs)));
  }

  async forceMember(setKey: string, member: string, ttlMs: number): Promise<void> {
    await this.#run(scripts.forceMember, setKey, member, toMs(ttlMs));
  }

  async members(setKey: string): Promise<string[]> {
    return Array.from((await this.#command(setKey, ['SMEMBERS', setKey])) as Iterable<unknown>, String);
  }

  async removeMember(setKey: string, member: string): Promise<void> {
    await this.#command(setKey, ['SREM', setKey, member]);
  }

  async readPartition(key: string, fields: string[]): Promise<PartitionRead> {
    const [version, msal, ...records] = (await this.#command(key, ['HMGET', key, 'v', 'msal', ...fields])) as unknown[];
    return { version: toBuffer(version)?.toString(), msal: toBuffer(msal), records: records.map(sealedPart) };
  }

  async readRecord(key: string, field: string): Promise<Buffer | undefined> {
    return sealedPart(await this.#command(key, ['HGET', key, field]));
  }

  async openSession(key: string, { session, msal }: SessionWrite): Promise<OpenSession[]> {
    const args = [freshVersion(), msal, session.sessionHash, toSessionValue(session)];
    return parseSessions(await this.#run(scripts.openSession, key, ...args));
  }

  async touchSession(key: string, session: OpenSession, beside = session.sessionHash): Promise<boolean> {
    const args = [session.sessionHash, toSessionValue(session), beside];
    return (await this.#run(scripts.touchSession, key, ...args)) === 1;
  }

  async closeSessions(key: string, sessionHashes: string[]): Promise<boolean> {
    return (await this.#run(scripts.closeSessions, key, ...sessionHashes)) === 1;
  }

  async openSessions(key: string): Promise<OpenSession[]> {
    return parseSessions(await this.#run(scripts.openSessions, key));
  }

  async writeToken(key: string, write: TokenWrite): Promise<'written' | 'fenced' | 'gone'> {
    const { version = none, fence, field, record, expiresAtSeconds, msal = none, expiresWithTokens } = write;
    const [lives, most] = [expiresWithTokens ? '1' : '0', `${tokensPerPartition}`];
    const args = [version, freshVersion(), field, `${fence}`, `${expiresAtSeconds}`, record, msal, lives, most];
    return String(await this.#run(scripts.writeToken, key, ...args)) as 'written' | 'fenced' | 'gone';
  }

  async reseal(key: string, field: string, read: Buffer, anew: Buffer): Promise<void> {
    await this.#run(scripts.reseal, key, field, read, anew);
  }

  async takeLease(key: string, owner: string, ttlMs: number): Promise<{ fence: number } | { heldForMs: number }> {
    const [granted, value] = (await this.#run(scripts.takeLease, key, owner, toMs(ttlMs))) as [number, number];
    return granted === 1 ? { fence: value } : { heldForMs: Math.max(value, 0) };
  }

  async renewLease(key: string, owner: string, ttlMs: number): Promise<boolean> {
    return (await this.#run(scripts.renewLease, key, owner, toMs(ttlMs))) === 1;
  }

  async releaseLease(key: string, owner: string): Promise<void> {
    await this.#run(scripts.releaseLease, key, owner, this.#channelName);
  }

  async invalidate(keys: string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#command(undefined, ['PUBLISH', this.#channelName, `i:${key}`])));
  }

  #command(key: string | undefined, args: (string | Buffer)[]): Promise<unknown> {
    return this.#redis.command(key, args);
  }

  async #run({ lua, sha }: scripts.Script, key: string, ...args: (string | Buffer)[]): Promise<unknown> {
    try {
      return await this.#command(key, ['EVALSHA', sha, '1', key, ...args]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await this.#command(key, ['EVAL', lua, '1', key, ...args]);
    }
  }
}

/** How a script is told that there is no value. */
const none = '';

function toMs(ttlMs: number): string {
  return String(Math.max(1, Math.floor(ttlMs)));
}

function toBuffer(reply: unknown): Buffer | undefined {
  return Buffer.isBuffer(reply) ? reply : undefined;
}

/** A token record without the fence and the end that the scripts read in front of it. */
function sealedPart(reply: unknown): Buffer | undefined {
  if (!Buffer.isBuffer(reply)) return undefined;
  return reply.subarray(reply.indexOf('|', reply.indexOf('|') + 1) + 1);
}

function toSessionValue({ expiresAtSeconds, createdAtSeconds }: OpenSession): string {
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
