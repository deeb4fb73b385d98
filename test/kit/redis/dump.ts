import assert from 'node:assert/strict';
import type { System } from '../system/system.ts';
import { withRedis } from './client.ts';

export type Entry = {
  key: string;
  /** -1 for a key without an end. */
  ttlMs: number;
  /** A string's value, a set's members, a hash's names and values. */
  values: string[];
};

/** What PTTL says of a key that is no more. */
const gone = -2;

/** All that a system's broker keeps in Redis; a key that expires meanwhile is not in it. */
export function dumpRedis({ redis, redisPrefix }: System): Promise<Entry[]> {
  return withRedis(redis, async (client) => {
    const entries: Entry[] = [];
    for await (const keys of client.scanIterator({ MATCH: `${redisPrefix}*` })) {
      for (const key of keys) {
        const kind = await client.type(key);
        if (kind === 'none') continue;
        const read: Record<string, () => Promise<string[]>> = {
          string: async () => [(await client.get(key)) ?? ''],
          hash: async () => Object.entries(await client.hGetAll(key)).flat(),
          set: () => client.sMembers(key),
          zset: () => client.zRange(key, 0, -1),
        };
        const values = await (read[kind] ?? (() => assert.fail(`${key} is a ${kind}`)))();
        const ttlMs = await client.pTTL(key);
        if (ttlMs !== gone) entries.push({ key, ttlMs, values });
      }
    }
    return entries.sort((a, b) => a.key.localeCompare(b.key));
  });
}
