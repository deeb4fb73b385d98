import { randomBytes } from 'node:crypto';
import { Fault } from '@onbehalf/chassis/fault';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { LRUCache } from 'lru-cache';
import type { SignIn } from '../entra/entra.ts';
import { detached } from '../input/detached.ts';
import { sessionRecheckMs, touchPart } from '../lifetimes.ts';
import type { L1 } from '../store/memory-cache.ts';
import { type Names, sha256 } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';
import { createFields } from '../tokens/token-fields.ts';
import { createSessionRecords, type Session } from './record.ts';
import { Revocation } from './revocation.ts';
import type { Tombstones } from './tombstone.ts';

const tokenBytes = 32;
/** In base64url. */
const tokenLength = Math.ceil((tokenBytes * 4) / 3);

type Deps = {
  store: Store;
  l1: L1<Session>;
  names: Names;
  sealing: Sealing;
  tombstones: Tombstones;
  logger: Logger;
  idleSeconds: number;
  absoluteSeconds: number;
  /** One account may hold so many sessions; the oldest goes. */
  perAccount: number;
  nowMs: () => number;
};

/**
 * Sessions: an opaque token the caller holds, a sealed record the store holds under the token's hash. They begin with a
 * sign-in, live while they are used, and end as `session-end.ts` says.
 */
export function createSessions(deps: Deps) {
  const { store, l1, names, sealing, tombstones, idleSeconds, absoluteSeconds, perAccount, nowMs } = deps;
  const nowSeconds = () => Math.floor(nowMs() / 1_000);

  // OpenSSL costs a held session more than all else that it needs.
  const hashes = new LRUCache<string, string>({ maxSize: 10_000, sizeCalculation: () => 1 });
  const hashOf = (token: string): string => {
    const known = hashes.get(token);
    if (known !== undefined) return known;
    const hash = sha256(token);
    if (token.length === tokenLength) hashes.set(detached(token), hash);
    return hash;
  };

  const fields = createFields({ store, sealing });
  const records = createSessionRecords({ names, sealing, idleSeconds, absoluteSeconds });
  const { complete, endOf, openSessionOf, seal, unseal } = records;
  const ends = new Revocation({ ...deps, records, nowSeconds });

  /** Keeps a fresh sign-in; the MSAL cache of the account becomes this sign-in's. Gives the session token. */
  async function start(client: string, signIn: SignIn): Promise<{ token: string; session: Session }> {
    const token = randomBytes(tokenBytes).toString('base64url');
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
      ends.resumeOfPerson(account.homeAccountId),
      store.addMember(names.user(account.homeAccountId), session.accountKey, absoluteMs),
      sid === undefined ? undefined : store.addMember(names.sid(client, sid), hash, absoluteMs),
    ]);
    await store.set(key, seal(session, key), (endOf(session) - created) * 1_000);
    const open = await store.openSession(session.accountKey, {
      session: openSessionOf(session),
      msal: fields.seal(session.accountKey, 'msal', signIn.msal),
    });
    let kept: { session?: Session };
    try {
      await tombstones.withdrawProposal(account.homeAccountId);
      kept = await read(hash, undefined);
    } catch (error) {
      // Nobody gets its token: it must not pass for the person's presence.
      ends.end(hash, { client }).catch(() => {});
      throw error;
    }
    // Who ended it before it stood in its partition could not take it out of there.
    if (!kept.session) {
      await ends.endUnkept(session);
      throw new Fault('invalid_grant', 'The session was ended while it began.');
    }
    const oldest = open
      .filter(({ sessionHash }) => sessionHash !== hash)
      .sort((a, b) => a.createdAtSeconds - b.createdAtSeconds)
      .slice(0, Math.max(0, open.length - perAccount));
    // What is not ended now, the next sign-in ends.
    for (const { sessionHash } of oldest) await ends.end(sessionHash, { client }).catch(() => {});
    return { token, session };
  }

  /** The live session of a token at its own client, or undefined. Counts as activity. @throws Fault `unavailable`. */
  async function find(token: string, client: string): Promise<Session | undefined> {
    const hash = hashOf(token);
    const key = names.session(hash);
    const held = l1.get(key, '');
    // What looks idle from here may have been used at another pod.
    const usable = held && held.freshness !== 'expired' && endOf(held.value) > nowSeconds() ? held.value : undefined;
    const fresh = held?.freshness === 'fresh' && held.ageMs < sessionRecheckMs ? usable : undefined;
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
    if (!opened || opened.ending) {
      l1.withdraw(key);
      if (opened) ends.resumeLater(key);
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
    const sealed = await store.get(key);
    const found = unseal(session.hash, sealed);
    const alive =
      found &&
      !found.ending &&
      (await store.touchSession(seen.accountKey, openSessionOf(seen))) &&
      (await store.replace(key, sealed, seal(seen, key), (endOf(seen) - nowSeconds()) * 1_000));
    if (alive) l1.put(key, '', seen, mark);
    else l1.withdraw(key);
  }

  /** Sessions in use take their refresh token along to the current key: its own next use may be too late. */
  async function resealAccount(key: string): Promise<void> {
    const { msal } = await store.readPartition(key, []);
    if (msal) fields.open(key, 'msal', msal);
  }

  const end = ends.end.bind(ends);
  const endAccount = ends.endAccount.bind(ends);
  const endBySid = ends.endBySid.bind(ends);
  const endPerson = ends.endPerson.bind(ends);
  const sweep = ends.sweep.bind(ends);
  return { start, find, endOf, hashOf, end, endAccount, endBySid, endPerson, sweep };
}

export type Sessions = ReturnType<typeof createSessions>;
