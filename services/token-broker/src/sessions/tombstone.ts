import { randomUUID } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import { z } from 'zod';
import { assertionLifeMs, backdatingSeconds } from '../lifetimes.ts';
import type { Names } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';

const end = z.object({ atSeconds: z.number(), id: z.string() });
/** `proposed` refuses nothing yet. */
const record = z.object({ standing: end.optional(), proposed: end.optional() });

/** That a person has left, and when. Two ends in one second differ by their ids. */
export type Tombstone = z.output<typeof end>;

/** An access token shown to us in place of its person. */
export type Assertion = { token: string; issuedAtSeconds: number };

type Deps = {
  store: Store;
  names: Names;
  /** The end of everybody's sessions, if there was one. */
  everybody: () => Tombstone | undefined;
  nowMs: () => number;
};

/**
 * Tombstones: when a person's last session over all clients ended. They stay for as long as an assertion may live, also
 * when the person signs in again. An assertion passes if its `iat` is later, or if we gave it out ourselves after that
 * end: Entra dates `iat` back, so that the token of a new session may seem older than the end of the one before.
 *
 * Why an old assertion never passes, and a new session's always does:
 *
 * - An end deletes the person's last account partition, *proposes* a tombstone, looks whether the person is signed in,
 *   and confirms what it proposed, unless it was struck out meanwhile. A sign-in makes its partition, then strikes out
 *   what is proposed. If the end did not see that partition, the partition came after the proposal; then so did the
 *   striking out, and it found the proposal (the end does not confirm, and looks again) or the confirmed tombstone. So a
 *   tombstone is confirmed over nobody's session, or before that session's sign-in has given anything out.
 * - A purchase for a session reads the tombstones before it sees the partition alive, and notes the token as issued after
 *   them before anybody gets it. A partition seen alive after a tombstone was made after it; so a token of a session that
 *   the tombstone ended is never noted, and one of a later session always is.
 * - A purchase on behalf of somebody notes its token as issued after what its own assertion was let pass by. It puts its
 *   partition into the person's index, writes it and then looks for the tombstone; an end confirms the tombstone and then
 *   deletes what is in the index. One of the two sees the other.
 */
export function createTombstones({ store, names, everybody, nowMs }: Deps) {
  const write = (value: z.input<typeof record>) => Buffer.from(JSON.stringify(value));

  async function look(person: string) {
    const read = await store.get(names.ended(person));
    return { read, ...(read && record.parse(JSON.parse(read.toString()))) };
  }

  /** Tombstones an assertion of this person has to pass. @throws Fault `unavailable`. */
  async function of(person: string): Promise<Tombstone[]> {
    const { standing } = await look(person);
    return [standing, everybody()].filter((one) => one !== undefined);
  }

  return {
    of,

    /**
     * Says that a person left at this time, unless they are signed in. Idempotent. `aliases`: what assertions call a guest,
     * by the tenant they are for; there the tombstone is a copy. @throws Fault `unavailable`.
     */
    async bury(
      person: string,
      atSeconds: number,
      isSignedIn: () => Promise<boolean>,
      aliases: string[] = [],
    ): Promise<void> {
      const key = names.ended(person);
      for (;;) {
        const { read, standing, proposed: other } = await look(person);
        // Another's proposal of the same end, or a later one, is as good as ours.
        const adopted = read && other && other.atSeconds >= atSeconds ? { read, proposed: other } : undefined;
        // Pods' clocks differ: a later end never gets an earlier time, or tokens issued between the two would pass.
        const latest = Math.max(atSeconds, standing?.atSeconds ?? 0);
        const proposed = adopted?.proposed ?? { atSeconds: latest, id: randomUUID() };
        const proposal = adopted?.read ?? write({ standing, proposed });
        if (!adopted && !(await store.replace(key, read, proposal, assertionLifeMs))) continue;
        if (await isSignedIn()) {
          await store.replace(key, proposal, standing && write({ standing }), assertionLifeMs);
          return;
        }
        const confirmed = write({ standing: proposed });
        if (!(await store.replace(key, proposal, confirmed, assertionLifeMs))) continue;
        for (const alias of aliases) {
          // Another end of the same person may have been quicker: its copy is as good.
          await store.replace(names.ended(alias), (await look(alias)).read, confirmed, assertionLifeMs);
        }
        return;
      }
    },

    /** Strikes out a proposal, for a sign-in whose partition is there. @throws Fault `unavailable`. */
    async signedIn(person: string): Promise<void> {
      for (;;) {
        const { read, standing, proposed } = await look(person);
        if (!proposed) return;
        if (await store.replace(names.ended(person), read, standing && write({ standing }), assertionLifeMs)) return;
      }
    },

    /** Gives the tombstones that an assertion passed. @throws Fault `invalid_grant` if it is older than one of them. */
    async refuseEnded(person: string, { token, issuedAtSeconds }: Assertion): Promise<Tombstone[]> {
      const all = await of(person);
      const later = all.filter(({ atSeconds }) => issuedAtSeconds <= atSeconds);
      if (later.length === 0) return all;
      const passed = (await store.get(names.issued(token)))?.toString().split(' ') ?? [];
      if (later.every(({ id }) => passed.includes(id))) return all;
      throw new Fault('invalid_grant', 'The person has signed out since this assertion was issued.');
    },

    /** Notes a token as issued after these tombstones, where its `iat` may not show it; to be called before it is given out. */
    async note(token: string, tombstones: Tombstone[], lifeMs: number): Promise<void> {
      const young = tombstones.filter(({ atSeconds }) => nowMs() < (atSeconds + backdatingSeconds) * 1_000);
      if (young.length === 0) return;
      await store.set(names.issued(token), Buffer.from(young.map(({ id }) => id).join(' ')), lifeMs);
    },
  };
}

export type Tombstones = ReturnType<typeof createTombstones>;
