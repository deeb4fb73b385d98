import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';

/** So many members are left alone: a person seldom has more assertions that live. */
const tidyAbove = 32;
/** Each new one looks at so many others: the index ends with an eighth of dead ones at most. */
const lookedAt = 8;

type Deps = { store: Store; redisKeys: RedisKeys; random?: () => number };

/**
 * What is held on behalf of a person, in their index, so that it goes with their last session. A set's members have no
 * ends of their own and the set lives as long as the person comes back: who puts one in takes dead ones out.
 */
export function createAssertionIndex({ store, redisKeys, random = Math.random }: Deps) {
  /** A partition that came between the look and the removal is deleted: none is left that no end would find. */
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
     * Adds a partition to its person's index for so long: before it is written, so that none is without, and after, as
     * it may have been taken for dead meanwhile. @throws Fault `unavailable`.
     */
    async add(person: string, key: string, lifeMs: number): Promise<void> {
      const size = await store.addMember(redisKeys.user(person), key, lifeMs);
      // Off the caller's path; the next one goes on.
      if (size > tidyAbove) tidy(person, key).catch(() => {});
    },
  };
}

export type AssertionIndex = ReturnType<typeof createAssertionIndex>;
