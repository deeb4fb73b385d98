import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';

/** An index with at most this many members is not tidied: a person seldom has more live assertions. */
const tidyAbove = 32;
/** Each new member checks this many others: so at most an eighth of the index is dead. */
const lookedAt = 8;

type Deps = { store: Store; redisKeys: RedisKeys; random?: () => number };

/**
 * The on-behalf-of partitions in the index of a person, so that the end of their last session deletes them. Members of a
 * set have no TTL of their own, and the set lives as long as the person returns: so each addition removes dead members.
 */
export function createAssertionIndex({ store, redisKeys, random = Math.random }: Deps) {
  /** A partition that was written between the check and the removal is deleted: no end would find it. */
  async function tidy(person: string, added: string): Promise<void> {
    const index = redisKeys.user(person);
    const members = (await store.members(index)).filter((key) => key.includes('obo:{') && key !== added);
    const start = Math.floor(random() * members.length);
    for (const key of [...members, ...members].slice(start, start + Math.min(lookedAt, members.length))) {
      if (await isThere(key)) continue;
      await store.removeMember(index, key);
      if (!(await isThere(key))) continue;
      await store.delete(key);
      await store.invalidate([key]);
    }
  }

  const isThere = async (key: string) => (await store.readPartition(key, [])).version !== undefined;

  return {
    /**
     * Adds a partition to its person's index. Call it before the partition is written, so that none is missing, and again
     * after, since it may have been removed as dead in between. @throws Fault `unavailable`.
     */
    async add(person: string, key: string, lifeMs: number): Promise<void> {
      const size = await store.addMember(redisKeys.user(person), key, lifeMs);
      // In the background; if it fails, the next addition tries again.
      if (size > tidyAbove) tidy(person, key).catch(() => {});
    },
  };
}

export type AssertionIndex = ReturnType<typeof createAssertionIndex>;
