import { z } from 'zod';
import { endingMarkMs } from '../lifetimes.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { End } from './record.ts';

/** The key of the mark, the key of the person's index, when the end began, and its id. */
const announcement = z.tuple([z.string(), z.string(), z.number(), z.string()]);

/** An end under way, or one that broke off, and the key of its mark, which may not be written yet. */
export type Announced = { member: string; key: string; sinceSeconds: number };

/** The ends under way, in one set for all pods: each is added before its mark is written, and removed when it is complete. */
export function createAnnouncements({ store, redisKeys }: { store: Store; redisKeys: RedisKeys }) {
  const toMember = (key: string, homeAccountId: string, { sinceSeconds, id }: End) =>
    JSON.stringify([key, redisKeys.user(homeAccountId), sinceSeconds, id] satisfies z.input<typeof announcement>);

  async function list(holds: (user: string, sinceSeconds: number) => boolean): Promise<Announced[]> {
    const members = await store.members(redisKeys.endings);
    return members.flatMap((member) => {
      const [key = '', user = '', sinceSeconds = 0] = parse(member) ?? [];
      return holds(user, sinceSeconds) ? [{ member, key, sinceSeconds }] : [];
    });
  }

  return {
    add: (key: string, homeAccountId: string, end: End) =>
      store.forceMember(redisKeys.endings, toMember(key, homeAccountId, end), endingMarkMs),
    remove: (key: string, homeAccountId: string, end: End) =>
      store.removeMember(redisKeys.endings, toMember(key, homeAccountId, end)),
    forget: ({ member }: Announced) => store.removeMember(redisKeys.endings, member),
    /** The ends of one person. */
    ofPerson: (homeAccountId: string) => list((user) => user === redisKeys.user(homeAccountId)),
    /** The ends that began at this time or before. */
    since: (atSeconds: number) => list((_, sinceSeconds) => sinceSeconds <= atSeconds),
  };
}

export type Announcements = ReturnType<typeof createAnnouncements>;

function parse(member: string): z.output<typeof announcement> | undefined {
  try {
    return announcement.parse(JSON.parse(member));
  } catch {
    // The broker did not write it: it names no mark, so the sweep removes it.
    return undefined;
  }
}
