import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { endingMarkMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import { type Names, shortName, tagOf } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { createAnnouncements } from './announcements.ts';
import type { End, Session, SessionRecords } from './record.ts';
import type { Tombstones } from './tombstone.ts';

/** An end under way: its content, its person, and its mark with that key. */
export type Ending = { end: End; homeAccountId: string; key: string; mark: Buffer };

export type EndingDeps = {
  store: Store;
  l1: L1<Session>;
  names: Names;
  records: SessionRecords;
  tombstones: Tombstones;
  announcements: ReturnType<typeof createAnnouncements>;
  logger: Logger;
};

/**
 * Completes an end whose mark is there. Every step may run twice, also at two pods at once: it names the sessions that
 * were open when the end began, never a later sign-in.
 */
export function createEnding(deps: EndingDeps) {
  const { store, l1, names, records, tombstones, announcements, logger } = deps;
  const { seal, unseal } = records;

  async function readMark(key: string): Promise<Ending | undefined> {
    const mark = await store.get(key);
    if (!mark) return undefined;
    if (!isSession(key)) {
      const person = records.unsealPerson(mark, key);
      return person && { end: person.ending, homeAccountId: person.homeAccountId, key, mark };
    }
    const hash = tagOf(key).slice(1, -1);
    const found = unseal(hash, mark);
    if (!found?.ending) return undefined;
    const { homeAccountId } = found.session.account;
    const { ending: end } = found;
    if (end.lead === hash) return { end, homeAccountId, key, mark };
    const lead = end.lead === undefined ? names.ending(homeAccountId) : names.session(end.lead);
    const leading = await readMark(lead);
    // The lead's mark goes last. If it tells of another end by now, that one has taken this one over.
    return leading?.end.id === end.id ? leading : { end: { ...end, lead: hash }, homeAccountId, key, mark };
  }

  /** Does all that is left of an end. Gives how many sessions it ends. */
  async function finish({ end, homeAccountId, key, mark }: Ending): Promise<number> {
    const keys = end.sessions.map(names.session);
    const ended = (await Promise.all(end.sessions.map((hash) => markSession(hash, end)))).filter((one) => one !== null);
    for (const one of keys) l1.withdraw(one);
    await store.invalidate(keys);
    const gone: string[] = [];
    for (const account of end.accounts) if (await store.closeSessions(account, end.sessions)) gone.push(account);
    if (gone.length > 0 || end.lead === undefined) {
      const aliases = new Set(ended.map(({ account }) => `${account.localAccountId}.${account.tenantId}`));
      aliases.delete(homeAccountId);
      await forget(homeAccountId, gone, end.sinceSeconds, [...aliases]);
    }
    for (const { client, sid, hash } of ended) {
      if (sid !== undefined) await store.removeMember(names.sid(client, sid), hash);
    }
    for (const { hash } of ended) if (names.session(hash) !== key) await dropMark(hash, end);
    // The pod that removes the last mark logs the end. A lost answer leaves that open: it is logged twice rather than never.
    const mine = store.replace(key, mark, undefined, endingMarkMs);
    if (await mine.catch(() => true)) tell(end, homeAccountId);
    await mine;
    await announcements.remove(key, homeAccountId, end);
    return end.sessions.length;
  }

  /** Puts the mark of an end in the place of a session's record, unless one is there. Null if there is nothing. */
  async function markSession(hash: string, end: End): Promise<Session | null> {
    const key = names.session(hash);
    for (;;) {
      const sealed = await store.get(key);
      const found = unseal(hash, sealed);
      if (!found) return null;
      if (found.ending) return found.session;
      const mark = seal({ ...found.session, ending: end }, key);
      if (await store.replace(key, sealed, mark, endingMarkMs)) return found.session;
    }
  }

  async function dropMark(hash: string, { id }: End): Promise<void> {
    const key = names.session(hash);
    const mark = await store.get(key);
    // The mark of another end goes when that one is done.
    if (mark && unseal(hash, mark)?.ending?.id === id) await store.replace(key, mark, undefined, endingMarkMs);
  }

  /**
   * Deletes a person's tokens with their last session: those of the accounts that ended, and those of other clients on
   * their behalf. The tombstone comes first; `tombstone.ts` says why.
   */
  async function forget(homeAccountId: string, gone: string[], sinceSeconds: number, aliases: string[]): Promise<void> {
    const index = names.user(homeAccountId);
    await store.invalidate(gone);
    await tombstones.add(homeAccountId, sinceSeconds, () => isSignedIn(homeAccountId), aliases);
    // An account's name stays in the index: a sign-in under way may have put it there just now.
    for (const key of (await store.members(index)).filter((one) => !isAccount(one))) {
      await store.delete(key);
      await store.invalidate([key]);
      await store.removeMember(index, key);
    }
  }

  async function isSignedIn(homeAccountId: string): Promise<boolean> {
    const accounts = (await store.members(names.user(homeAccountId))).filter(isAccount);
    const read = await Promise.all(accounts.map((key) => store.readPartition(key, [])));
    return read.some(({ version }) => version !== undefined);
  }

  function tell(end: End, homeAccountId: string): void {
    const { client, reason, alone, aadsts, lead } = end;
    const ended = end.sessions.length;
    if (!reason) return;
    if (ended > 0) measure('onbehalf.session.ended', ended, { 'onbehalf.session.reason': reason });
    const event = reason === 'revoked' ? 'sessions_revoked' : alone ? 'session_ended' : 'sessions_ended';
    const account = shortName(lead === undefined ? names.user(homeAccountId) : String(end.accounts[0]));
    logger.info({
      event: `audit.${event}`,
      client,
      account,
      reason,
      ...(!alone && { ended }),
      ...(aadsts && { aadsts }),
    });
  }

  return { readMark, finish };
}

/** Whether this is the key of an account partition. */
export const isAccount = (key: string) => key.includes('account:{');
const isSession = (key: string) => key.includes('session:{');
