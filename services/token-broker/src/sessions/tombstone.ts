import { randomUUID } from 'node:crypto';
import { Fault } from '@onbehalf/node/core/fault';
import { z } from 'zod';
import { assertionLifeMs, backdatingSeconds } from '../lifetimes.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';

const end = z.object({ atSeconds: z.number(), id: z.string() });
/** A proposed tombstone refuses nothing yet. */
const record = z.object({ standing: end.optional(), proposed: end.optional() });

/** When a person's last session ended. The id tells two ends in the same second apart. */
export type Tombstone = z.output<typeof end>;

/** A user's access token, presented to act on behalf of that user. */
export type Assertion = { token: string; issuedAtSeconds: number };

type Deps = {
  store: Store;
  redisKeys: RedisKeys;
  /** The tombstone of everybody, if all sessions ended at once. */
  everybody: () => Tombstone | undefined;
  nowMs: () => number;
};

/**
 * Tombstones: when a person's last session over all clients ended. A tombstone is kept for as long as an assertion may
 * live, also when the person signs in again. An assertion passes a tombstone if its `iat` is later, or if the broker
 * issued it after that end: Entra dates `iat` back, so the token of a new session may look older than the last sign-out.
 *
 * Why an old assertion never passes, and one of a new session always does:
 *
 * - A sign-out deletes the person's last account partition, *proposes* a tombstone, checks whether the person is signed
 *   in, and confirms the proposal, unless a sign-in withdrew it meanwhile. A sign-in creates its partition and then
 *   withdraws any proposal. If the sign-out did not see the partition, the partition was created after the proposal. The
 *   withdrawal comes later still: it finds either the proposal (the sign-out then does not confirm, and checks again) or
 *   the confirmed tombstone. So when a tombstone is confirmed, either the person has no session, or the new session's
 *   sign-in has not yet given out anything.
 * - An acquisition for a session reads the tombstones before it sees the partition alive, and notes the token as issued
 *   after them before any caller gets it. A partition that is alive after a tombstone was created after it. So the token
 *   of a session that the tombstone ended is never noted, and the token of a later session always is.
 * - An acquisition on behalf of a user notes its token as issued after the tombstones that its own assertion passed. It
 *   adds its partition to the person's index, writes the partition and then reads the tombstones; a sign-out confirms the
 *   tombstone and then deletes what the index names. One of the two sees the other.
 */
export class Tombstones {
  readonly #store: Store;
  readonly #redisKeys: RedisKeys;
  readonly #everybody: () => Tombstone | undefined;
  readonly #nowMs: () => number;

  constructor({ store, redisKeys, everybody, nowMs }: Deps) {
    this.#store = store;
    this.#redisKeys = redisKeys;
    this.#everybody = everybody;
    this.#nowMs = nowMs;
  }

  /** The tombstones that an assertion of this person has to pass. @throws Fault `unavailable`. */
  async find(person: string): Promise<Tombstone[]> {
    const { standing } = await this.#read(person);
    return [standing, this.#everybody()].filter((one) => one !== undefined);
  }

  /**
   * Adds the tombstone of a person whose last session ended at this time, unless the person is signed in. Idempotent.
   * `aliases`: the names that assertions of other tenants have for this person as a guest; each gets a copy.
   * @throws Fault `unavailable`.
   */
  async add(
    person: string,
    atSeconds: number,
    isSignedIn: () => Promise<boolean>,
    aliases: string[] = [],
  ): Promise<void> {
    const key = this.#redisKeys.ended(person);
    for (;;) {
      const { written, standing, proposed } = await this.#propose(person, atSeconds);
      if (await isSignedIn()) {
        await this.#store.replace(key, written, standing && toBytes({ standing }), assertionLifeMs);
        return;
      }
      const confirmed = toBytes({ standing: proposed });
      if (!(await this.#store.replace(key, written, confirmed, assertionLifeMs))) continue;
      for (const alias of aliases) {
        // Another end of the same person may replace it first: that copy serves as well.
        await this.#store.replace(
          this.#redisKeys.ended(alias),
          (await this.#read(alias)).read,
          confirmed,
          assertionLifeMs,
        );
      }
      return;
    }
  }

  /** Proposes a tombstone, or adopts the proposal of another pod. Gives the record as it is written now. */
  async #propose(person: string, atSeconds: number) {
    for (;;) {
      const { read, standing, proposed: other } = await this.#read(person);
      // A proposal of the same time or later serves as well.
      if (read && other && other.atSeconds >= atSeconds) return { written: read, standing, proposed: other };
      // Pods' clocks differ: a later end never gets an earlier time, or tokens issued between the two would pass.
      const proposed = { atSeconds: Math.max(atSeconds, standing?.atSeconds ?? 0), id: randomUUID() };
      const written = toBytes({ standing, proposed });
      const key = this.#redisKeys.ended(person);
      if (await this.#store.replace(key, read, written, assertionLifeMs)) return { written, standing, proposed };
    }
  }

  /** Withdraws a proposal, for a sign-in whose partition is written. @throws Fault `unavailable`. */
  async withdrawProposal(person: string): Promise<void> {
    const key = this.#redisKeys.ended(person);
    for (;;) {
      const { read, standing, proposed } = await this.#read(person);
      if (!proposed) return;
      if (await this.#store.replace(key, read, standing && toBytes({ standing }), assertionLifeMs)) return;
    }
  }

  /** Gives the tombstones that an assertion passed. @throws Fault `invalid_grant` if it is older than one of them. */
  async refuseEnded(person: string, { token, issuedAtSeconds }: Assertion): Promise<Tombstone[]> {
    const all = await this.find(person);
    const later = all.filter(({ atSeconds }) => issuedAtSeconds <= atSeconds);
    if (later.length === 0) return all;
    const passed = (await this.#store.get(this.#redisKeys.issued(token)))?.toString().split(' ') ?? [];
    if (later.every(({ id }) => passed.includes(id))) return all;
    throw new Fault('invalid_grant', 'The person has signed out since this assertion was issued.');
  }

  /** After a token is written that nobody's assertion asked for. @throws Fault `invalid_grant` if there are more than these. */
  async refuseNew(person: string, passed: Tombstone[]): Promise<void> {
    const known = passed.map(({ id }) => id);
    if ((await this.find(person)).every(({ id }) => known.includes(id))) return;
    throw new Fault('invalid_grant', 'The agent was revoked meanwhile.');
  }

  /** Notes that a token was issued after these tombstones, as its `iat` may be earlier. Call it before the token is given out. */
  async noteIssued(token: string, tombstones: Tombstone[], lifeMs: number): Promise<void> {
    const recent = tombstones.filter(({ atSeconds }) => this.#nowMs() < (atSeconds + backdatingSeconds) * 1_000);
    if (recent.length === 0) return;
    await this.#store.set(this.#redisKeys.issued(token), Buffer.from(recent.map(({ id }) => id).join(' ')), lifeMs);
  }

  async #read(person: string) {
    const read = await this.#store.get(this.#redisKeys.ended(person));
    return { read, ...(read && record.parse(JSON.parse(read.toString()))) };
  }
}

function toBytes(value: z.input<typeof record>): Buffer {
  return Buffer.from(JSON.stringify(value));
}
