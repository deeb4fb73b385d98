import { createHmac, hash, type KeyObject } from 'node:crypto';
import { ConfigError } from '@onbehalf/node/core/config-error';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';

/**
 * The keys of everything in Redis. A key holds an HMAC or a hash, never an identifier. All keys of one partition share
 * the hash tag in braces, so Redis Cluster keeps them on one node.
 */
export function createRedisKeys(index: KeyObject, prefix: string) {
  // JSON, so that no two different lists have the same text.
  const id = (...parts: string[]) =>
    createHmac('sha256', index).update(JSON.stringify(parts)).digest('base64url').slice(0, 22);
  return {
    /** The partition of a person at a client. */
    account: (client: string, homeAccountId: string) => `${prefix}account:{${id('account', client, homeAccountId)}}`,
    /** The partition of an incoming assertion at a client, or at an agent of the client. */
    obo: (client: string, assertion: string, ...agent: string[]) =>
      `${prefix}obo:{${id('obo', client, sha256(assertion), ...agent)}}`,
    /** The partition of a client's own tokens. */
    app: (client: string, tenantId: string) => `${prefix}app:{${id('app', client, tenantId)}}`,
    /** The partition of an agent of a client: its own tokens, or those of its user. */
    agent: (client: string, agent: string, user = '') => `${prefix}agent:{${id('agent', client, agent, user)}}`,
    session: (sessionHash: string) => `${prefix}session:{${sessionHash}}`,
    /** The sessions of one Entra session at a client. */
    sid: (client: string, sid: string) => `${prefix}sid:{${id('sid', client, sid)}}`,
    /** A person's partitions over all clients. */
    user: (homeAccountId: string) => `${prefix}user:{${id('user', homeAccountId)}}`,
    /** The tombstone of a person: when their last session ended. */
    ended: (homeAccountId: string) => `${prefix}ended:{${id('user', homeAccountId)}}`,
    /** The mark of a token that was issued to a person after their tombstone. */
    issued: (token: string) => `${prefix}issued:{${id('issued', sha256(token))}}`,
    /** The mark of an end of all sessions and tokens of a person. */
    ending: (homeAccountId: string) => `${prefix}ending:{${id('user', homeAccountId)}}`,
    /** Tells the index key from others. Not a Redis key. */
    fingerprint: id('fingerprint'),
    /** The fingerprint of the index key that is in use. */
    index: `${prefix}index`,
    /** The ends under way, of all persons. */
    endings: `${prefix}endings`,
    /** The latest sign-in of a person, for a minute: it voids earlier refusals of calls on their behalf. */
    signedIn: (homeAccountId: string) => `${prefix}signin:{${id('user', homeAccountId)}}`,
    /** A spent authorization code. */
    code: (client: string, code: string) => `${prefix}code:{${id('code', client, sha256(code))}}`,
    /** The mark that a code was released once, and may not be released again. */
    released: (code: string) => `${code}:again`,
    lease: (partition: string, field: string) => `${prefix}lease:${readHashTag(partition)}:${field}`,
    /** The last refusal of Entra for one partition and token. */
    throttle: (partition: string, field: string) => `${prefix}throttle:${readHashTag(partition)}:${field}`,
    /** The throttle key of on-behalf-of calls: Entra throttles a person at a client, with any assertion. */
    oboThrottleKey: (client: string, tenantId: string, objectId: string, ...agent: string[]) =>
      `{${id('party', client, tenantId, objectId, ...agent)}}`,
    /** The channel of invalidations and wake-ups. */
    channel: `${prefix}events`,
  };
}

/** The kinds of keys, as `createRedisKeys` has them: nothing else of a key may be told. */
const kinds = new Set(
  'session account obo app agent sid user ended issued ending index endings signin code lease throttle'.split(' '),
);

/** The kind of a key, for spans; undefined for any other text. */
export function findKind(key: string): string | undefined {
  const tag = key.indexOf(':{');
  const head = tag < 0 ? key : key.slice(0, tag);
  const kind = head.slice(head.lastIndexOf(':') + 1);
  return kinds.has(kind) ? kind : undefined;
}

export type RedisKeys = ReturnType<typeof createRedisKeys>;

/** The HMAC key of the Redis keys. @throws ConfigError if the ring has none. */
export function readIndexKey({ index }: KeyRing): KeyObject {
  if (!index) throw new ConfigError('SEALING_KEYS_DIR is not usable:\n  index: is required, 32 bytes in base64');
  return index;
}

/** SHA-256, base64url: what stands in keys for tokens, codes and assertions. */
export function sha256(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** The short form of a key for audit lines: it tells entries apart and reveals nothing else. */
export function shortName(key: string): string {
  return hash('sha256', readHashTag(key), 'hex').slice(0, 12);
}

/** A person in the log: the same for all clients and grants, and for nobody to tell who it is without the index key. */
export function accountName(redisKeys: Pick<RedisKeys, 'user'>, homeAccountId: string): string {
  return shortName(redisKeys.user(homeAccountId));
}

/** The part of a key by which Redis Cluster places it. */
export function readHashTag(key: string): string {
  return key.slice(key.indexOf('{'), key.indexOf('}') + 1);
}
