import { z } from 'zod';
import { endingMarkMs } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { End } from './record.ts';

/** The key of the mark, that of the person's index, since when, and which end. */
const announcement = z.tuple([z.string(), z.string(), z.number(), z.string()]);

/** An end under way, or one that broke off: where its mark is, if it has one yet. */
export type Announced = { member: string; key: string; sinceSeconds: number };

/** The ends under way, in one set for all pods: each stands there before its mark does, and until it is done. */
export function createAnnouncements({ store, names }: { store: Store; names: Names }) {
  const memberOf = (key: string, homeAccountId: string, { sinceSeconds, id }: End) =>
    JSON.stringify([key, names.user(homeAccountId), sinceSeconds, id] satisfies z.input<typeof announcement>);

  async function list(holds: (user: string, sinceSeconds: number) => boolean): Promise<Announced[]> {
    const members = await store.members(names.endings);
    return members.flatMap((member) => {
      const [key = '', user = '', sinceSeconds = 0] = parse(member) ?? [];
      return holds(user, sinceSeconds) ? [{ member, key, sinceSeconds }] : [];
    });
  }

  return {
    add: (key: string, homeAccountId: string, end: End) =>
      store.forceMember(names.endings, memberOf(key, homeAccountId, end), endingMarkMs),
    remove: (key: string, homeAccountId: string, end: End) =>
      store.removeMember(names.endings, memberOf(key, homeAccountId, end)),
    forget: ({ member }: Announced) => store.removeMember(names.endings, member),
    /** Those of one person. */
    ofPerson: (homeAccountId: string) => list((user) => user === names.user(homeAccountId)),
    /** Those that began by then. */
    since: (atSeconds: number) => list((_, sinceSeconds) => sinceSeconds <= atSeconds),
  };
}

function parse(member: string): z.output<typeof announcement> | undefined {
  try {
    return announcement.parse(JSON.parse(member));
  } catch {
    // Not of our making: it leads nowhere, and is swept away.
    return undefined;
  }
}
