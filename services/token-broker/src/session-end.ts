import type { L1 } from './l1.ts';
import { assertionLifeMs } from './lifetimes.ts';
import type { Names } from './names.ts';
import type { Session, SessionRecords } from './session-record.ts';
import type { OpenSession, Store } from './store.ts';

type Deps = { store: Store; l1: L1<Session>; names: Names; records: SessionRecords; nowSeconds: () => number };

/**
 * The ends of sessions. Each is an ordered, idempotent sequence: the session first, so that from then on no exchange
 * succeeds, then with the last one the account's tokens, then the indexes, then the message to all pods. What a crash
 * leaves is unreachable and expires.
 */
export function createSessionEnd({ store, l1, names, records, nowSeconds }: Deps) {
  const { unseal } = records;

  /** Ends one session. True if there was one. @throws Fault `unavailable` if the store cannot confirm. */
  async function end(hash: string): Promise<boolean> {
    const key = names.session(hash);
    const session = unseal(hash, await store.take(key))?.session;
    l1.withdraw(key);
    await store.invalidate([key]);
    if (!session) return false;
    await leave(session);
    return true;
  }

  /** Takes an ended session out of its account, and with the last one the account's tokens. */
  async function leave({ accountKey, account, client, sid, hash }: Session): Promise<void> {
    const last = await store.closeSession(accountKey, hash);
    if (sid !== undefined) await store.removeMember(names.sid(client, sid), hash);
    if (last) await forgetPartitions(account.homeAccountId, accountKey);
  }

  /** Ends every session of a person at one client. Gives their number. */
  async function endAccount(client: string, homeAccountId: string): Promise<number> {
    return await endPartition(names.account(client, homeAccountId), homeAccountId);
  }

  /** Ends every session of a person at all clients. */
  async function endPerson(homeAccountId: string): Promise<number> {
    const partitions = (await store.members(names.user(homeAccountId))).filter(isAccount);
    let ended = 0;
    for (const key of partitions) ended += await endPartition(key, homeAccountId);
    if (partitions.length === 0) await forgetPartitions(homeAccountId, undefined);
    return ended;
  }

  async function endPartition(accountKey: string, homeAccountId: string): Promise<number> {
    let ended = await endEach(await store.openSessions(accountKey));
    // A sign-in may have come in between.
    ended += await endEach(await store.closePartition(accountKey));
    await forgetPartitions(homeAccountId, accountKey);
    return ended;
  }

  async function endEach(open: OpenSession[]): Promise<number> {
    let ended = 0;
    for (const { sessionHash } of open) {
      const key = names.session(sessionHash);
      const sealed = await store.take(key);
      l1.withdraw(key);
      await store.invalidate([key]);
      const session = unseal(sessionHash, sealed)?.session;
      if (session?.sid !== undefined) await store.removeMember(names.sid(session.client, session.sid), sessionHash);
      if (sealed) ended += 1;
    }
    return ended;
  }

  /** Ends the sessions that one Entra session carries at a client: front-channel logout. */
  async function endBySid(client: string, sid: string): Promise<number> {
    const index = names.sid(client, sid);
    let ended = 0;
    // A name that leads nowhere stays: it may be that of a sign-in under way.
    for (const hash of await store.members(index)) if (await end(hash)) ended += 1;
    return ended;
  }

  /**
   * A person's tokens go with their last session: those of the account that ended, and what other clients hold on
   * their behalf. The tombstone comes before the look at the index: an on-behalf-of call in flight indexes its
   * partition, writes it and then looks for the tombstone, so one of the two sees the other.
   */
  async function forgetPartitions(homeAccountId: string, accountKey: string | undefined): Promise<void> {
    const index = names.user(homeAccountId);
    if (accountKey !== undefined) await store.invalidate([accountKey]);
    const bury = () => store.set(names.ended(homeAccountId), Buffer.from(String(nowSeconds())), assertionLifeMs);
    let buried = true;
    if (!(await isSignedIn(homeAccountId))) {
      // A full store has no room for the tombstone, but it can delete.
      buried = await bury().then(
        () => true,
        () => false,
      );
      // A sign-in makes its partition and then lifts the tombstone: again one of the two sees the other.
      if (await isSignedIn(homeAccountId)) await store.delete(names.ended(homeAccountId));
    }
    // An account's name stays in the index: a sign-in under way may have put it there just now.
    for (const key of (await store.members(index)).filter((one) => !isAccount(one))) {
      await store.delete(key);
      await store.invalidate([key]);
      await store.removeMember(index, key);
    }
    if (!buried) await bury();
  }

  async function isSignedIn(homeAccountId: string): Promise<boolean> {
    const accounts = (await store.members(names.user(homeAccountId))).filter(isAccount);
    const read = await Promise.all(accounts.map((key) => store.readPartition(key, [])));
    return read.some(({ version }) => version !== undefined);
  }

  /** When this person's last session ended, if that is remembered. */
  async function endedAtSeconds(homeAccountId: string): Promise<number | undefined> {
    const value = await store.get(names.ended(homeAccountId));
    return value && Number(value.toString());
  }

  return { end, leave, endAccount, endPerson, endBySid, endedAtSeconds };
}

const isAccount = (key: string) => key.includes('account:{');
