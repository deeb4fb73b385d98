import { randomBytes } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { SignIn } from './entra.ts';
import type { L1 } from './l1.ts';
import { assertionLifeMs, sessionRecheckMs, touchPart } from './lifetimes.ts';
import { type Names, sha256 } from './names.ts';
import type { Sealing } from './sealing.ts';
import type { OpenSession, Store } from './store.ts';

const recordSchema = z.object({
  client: z.string(),
  account: z.object({
    homeAccountId: z.string(),
    environment: z.string(),
    tenantId: z.string(),
    localAccountId: z.string(),
  }),
  sub: z.string(),
  sid: z.string().optional(),
  createdAtSeconds: z.number(),
  lastSeenSeconds: z.number(),
});

/** What the broker knows of a sign-in. */
export type Session = z.output<typeof recordSchema> & {
  hash: string;
  /** The key of its account partition. */
  accountKey: string;
  idleEndSeconds: number;
  absoluteEndSeconds: number;
};

type Deps = {
  store: Store;
  l1: L1<Session>;
  names: Names;
  sealing: Sealing;
  idleSeconds: number;
  absoluteSeconds: number;
  /** One account may hold so many sessions; the oldest goes. */
  perAccount: number;
  nowMs: () => number;
};

/**
 * Sessions: an opaque token the caller holds, a sealed record the store holds under the token's hash. Ending one is an
 * ordered, idempotent sequence: the session first, so that from then on no exchange succeeds, then with the last one
 * the account's tokens, then the indexes, then the message to all pods. What a crash leaves is unreachable and expires.
 */
export function createSessions(deps: Deps) {
  const { store, l1, names, sealing, idleSeconds, absoluteSeconds, perAccount, nowMs } = deps;
  const nowSeconds = () => Math.floor(nowMs() / 1_000);

  // OpenSSL costs a held session more than all else that it needs.
  const hashes = new LRUCache<string, string>({ max: 10_000 });
  const hashOf = (token: string): string => {
    const known = hashes.get(token);
    if (known !== undefined) return known;
    const hash = sha256(token);
    hashes.set(token, hash);
    return hash;
  };

  const complete = (hash: string, record: z.output<typeof recordSchema>): Session => ({
    ...record,
    hash,
    accountKey: names.account(record.client, record.account.homeAccountId),
    idleEndSeconds: record.lastSeenSeconds + idleSeconds,
    absoluteEndSeconds: record.createdAtSeconds + absoluteSeconds,
  });
  const endOf = (session: Session) => Math.min(session.idleEndSeconds, session.absoluteEndSeconds);
  const openSessionOf = (session: Session): OpenSession => ({
    sessionHash: session.hash,
    expiresAtSeconds: endOf(session),
    createdAtSeconds: session.createdAtSeconds,
  });
  const seal = (session: Session, key: string) => sealing.seal(JSON.stringify(recordSchema.parse(session)), key);
  const unseal = (hash: string, sealed: Buffer | undefined) => {
    const opened = sealed && sealing.open(sealed, names.session(hash));
    return (
      opened && {
        session: complete(hash, recordSchema.parse(JSON.parse(opened.plaintext.toString()))),
        old: opened.old,
      }
    );
  };

  /** Keeps a fresh sign-in; the MSAL cache of the account becomes this sign-in's. Gives the session token. */
  async function start(client: string, signIn: SignIn): Promise<{ token: string; session: Session }> {
    const token = randomBytes(32).toString('base64url');
    const hash = sha256(token);
    const { account, sub, sid } = signIn;
    const created = nowSeconds();
    const record = {
      client,
      account,
      sub,
      ...(sid !== undefined && { sid }),
      createdAtSeconds: created,
      lastSeenSeconds: created,
    };
    const session = complete(hash, record);
    const key = names.session(hash);
    const absoluteMs = absoluteSeconds * 1_000;
    // Indexes first: what they name and is not there yet does no harm, the reverse would not be found at sign-out.
    await Promise.all([
      store.addMember(names.user(account.homeAccountId), session.accountKey, absoluteMs),
      sid === undefined ? undefined : store.addMember(names.sid(client, sid), hash, absoluteMs),
    ]);
    await store.set(key, seal(session, key), (endOf(session) - created) * 1_000);
    const open = await store.openSession(session.accountKey, {
      session: openSessionOf(session),
      msal: sealing.seal(signIn.msal, `${session.accountKey} msal`),
    });
    await store.delete(names.ended(account.homeAccountId));
    // Who ended it before it stood in its partition could not take it out of there.
    const kept = await read(hash, undefined);
    if (!kept.session) {
      await leave(session);
      throw new Fault('invalid_grant', 'The session was ended while it began.');
    }
    const oldest = open
      .filter(({ sessionHash }) => sessionHash !== hash)
      .sort((a, b) => a.createdAtSeconds - b.createdAtSeconds)
      .slice(0, Math.max(0, open.length - perAccount));
    for (const { sessionHash } of oldest) await end(sessionHash);
    return { token, session };
  }

  /** The live session of a token at its own client, or undefined. Counts as activity. @throws Fault `unavailable`. */
  async function find(token: string, client: string): Promise<Session | undefined> {
    const hash = hashOf(token);
    const key = names.session(hash);
    const held = l1.get(key, '');
    // What looks idle from here may have been used at another pod.
    const usable = held && held.standing !== 'lapsed' && endOf(held.value) > nowSeconds() ? held.value : undefined;
    const fresh = held?.standing === 'trusted' && held.ageMs < sessionRecheckMs ? usable : undefined;
    const { session, old } = fresh ? { session: fresh, old: false } : await read(hash, usable);
    if (session?.client !== client || endOf(session) <= nowSeconds()) return undefined;
    if (old || nowSeconds() - session.lastSeenSeconds >= idleSeconds * touchPart) touch(session, old);
    return session;
  }

  async function read(hash: string, held: Session | undefined): Promise<{ session?: Session; old: boolean }> {
    const key = names.session(hash);
    const mark = l1.mark();
    let sealed: Buffer | undefined;
    try {
      sealed = await store.get(key);
    } catch (error) {
      // What memory held within its bound carries the session through an outage.
      if (held && error instanceof Fault && error.code === 'unavailable') return { session: held, old: false };
      throw error;
    }
    const opened = unseal(hash, sealed);
    if (!opened) {
      l1.withdraw(key);
      return { old: false };
    }
    l1.put(key, '', opened.session, mark);
    return opened;
  }

  const touching = new Set<string>();

  /** Writes `last seen`, off the caller's path; a session that ended meanwhile stays ended. */
  function touch(session: Session, sealedAnew = false): void {
    if (touching.has(session.hash)) return;
    touching.add(session.hash);
    writeSeen(session)
      .then(() => (sealedAnew ? resealAccount(session.accountKey) : undefined))
      // The next use tries again: L1 is read anew before the idle limit is near.
      .catch(() => {})
      .finally(() => touching.delete(session.hash));
  }

  async function writeSeen(session: Session): Promise<void> {
    const key = names.session(session.hash);
    const seen = complete(session.hash, { ...session, lastSeenSeconds: nowSeconds() });
    const mark = l1.mark();
    const alive =
      (await store.touchSession(seen.accountKey, openSessionOf(seen))) &&
      (await store.replace(key, seal(seen, key), (endOf(seen) - nowSeconds()) * 1_000));
    if (alive) l1.put(key, '', seen, mark);
    else l1.withdraw(key);
  }

  /** Sessions in use take their refresh token along to the current key: its own next use may be too late. */
  async function resealAccount(key: string): Promise<void> {
    const name = `${key} msal`;
    const { msal } = await store.readPartition(key, []);
    const opened = msal && sealing.open(msal, name);
    if (msal && opened?.old) await store.reseal(key, 'msal', msal, sealing.seal(opened.plaintext, name));
  }

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

  return { start, find, end, endAccount, endPerson, endBySid, endedAtSeconds, endOf };
}

export type Sessions = ReturnType<typeof createSessions>;

const isAccount = (key: string) => key.includes('account:{');
