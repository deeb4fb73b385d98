import { randomUUID } from 'node:crypto';
import { describeError, type Logger } from '@onbehalf/chassis/logger';
import { z } from 'zod';
import type { L1 } from './l1.ts';
import { endingDueSeconds, endingForgottenSeconds, endingMarkMs } from './lifetimes.ts';
import { type Names, shortName, tagOf } from './names.ts';
import type { End, Session, SessionRecords } from './session-record.ts';
import { measure } from './signals.ts';
import type { Store } from './store.ts';
import type { Tombstones } from './tombstone.ts';

type Deps = {
  store: Store;
  l1: L1<Session>;
  names: Names;
  records: SessionRecords;
  tombstones: Tombstones;
  logger: Logger;
  nowSeconds: () => number;
};

/** On whose word sessions end, and why. */
export type Word = Pick<End, 'client' | 'reason' | 'aadsts'>;

/** An end under way: what is to be done, for whom, and where it is written down. */
type Ending = { end: End; homeAccountId: string; key: string; mark: Buffer };

/** What stands in the set of ends under way: the key of the mark, that of the person's index, since when, which end. */
const announcement = z.tuple([z.string(), z.string(), z.number(), z.string()]);

/**
 * The ends of sessions. Each is a sequence that whoever comes later can resume, because its first step writes it down:
 * a mark takes the place of the session's record, so that from then on no exchange succeeds, and the account is still
 * known. Then come the messages to all pods, with the last session the account's tokens, the tombstone and what others
 * hold on behalf of the person, then the indexes, and the mark itself at last. Every step may be done twice, also at
 * once by two pods: it names what was open when the end began, and never a sign-in that followed.
 */
export function createSessionEnd(deps: Deps) {
  const { store, l1, names, records, tombstones, logger, nowSeconds } = deps;
  const { seal, unseal } = records;

  /** Ends one session. True if there was one, or an end of it to complete. @throws Fault `unavailable`: not yet. */
  async function end(hash: string, word: Word): Promise<boolean> {
    return (await begin(hash, { ...word, alone: true })) > 0;
  }

  /** Ends a session and all others of its account at its client. Gives their number. @throws Fault `unavailable`. */
  async function endAccount(hash: string, word: Word): Promise<number> {
    const others = async ({ accountKey }: Session) =>
      (await store.openSessions(accountKey)).map(({ sessionHash }) => sessionHash);
    return await begin(hash, { ...word, alone: false }, others);
  }

  /** Ends the sessions that one Entra session carries at a client: front-channel logout. */
  async function endBySid(sid: string, word: Word): Promise<number> {
    const left = new Map<string, Session>();
    for (const hash of await store.members(names.sid(word.client, sid))) {
      // A name that leads nowhere stays: it may be that of a sign-in under way.
      const found = unseal(hash, await store.get(names.session(hash)));
      if (found) left.set(hash, found.session);
    }
    const ended = left.size;
    for (const { hash, accountKey } of left.values()) {
      const together = [...left.values()].filter((one) => one.accountKey === accountKey).map((one) => one.hash);
      await begin(hash, { ...word, alone: false }, async () => together);
      for (const one of together) left.delete(one);
    }
    return ended;
  }

  /** Ends every session of a person at all clients. Gives their number, with those of an end that broke off before. */
  async function endPerson(homeAccountId: string, word: Word): Promise<number> {
    const key = names.ending(homeAccountId);
    let ended = 0;
    for (;;) {
      ended += await resume(key);
      const accounts = (await store.members(names.user(homeAccountId))).filter(isAccount);
      const open = (await Promise.all(accounts.map((account) => store.openSessions(account)))).flat();
      const sessions = open.map(({ sessionHash }) => sessionHash);
      const end = { ...endNow({ ...word, alone: false }), sessions, accounts };
      const mark = records.sealPerson({ homeAccountId, ending: end }, key);
      await announce(key, homeAccountId, end);
      if (!(await store.replace(key, undefined, mark, endingMarkMs))) continue;
      return ended + (await finish({ end, homeAccountId, key, mark }));
    }
  }

  /**
   * Takes a session out of its account that was ended while it began: whoever ended it before it stood there could not.
   */
  async function endUnkept(session: Session): Promise<void> {
    await begin(session.hash, { client: session.client, alone: true }, undefined, session);
  }

  const endNow = (word: Word & { alone: boolean }) => ({ ...word, id: randomUUID(), sinceSeconds: nowSeconds() });

  /**
   * Puts the mark in the place of a session's record and does what it says. Where a mark is there already, what that one
   * says is done, after what is to end beyond it was added. Gives the number of sessions that end together; 0 if there
   * is neither session nor mark at this client. `unkept`: the session, where its record is gone.
   */
  async function begin(
    hash: string,
    word: Word & { alone: boolean },
    others: (session: Session) => Promise<string[]> = async () => [],
    unkept?: Session,
  ): Promise<number> {
    const key = names.session(hash);
    for (;;) {
      const sealed = await store.get(key);
      const found = unseal(hash, sealed);
      l1.withdraw(key);
      const session = found?.session ?? unkept;
      if (!session) {
        // What does not open is nobody's session; what another pod may still open of it ends too.
        if (sealed) await store.delete(key);
        return 0;
      }
      if (session.client !== word.client) return 0;
      const before = found?.ending;
      const asked = [hash, ...(await others(session))];
      if (before && asked.every((one) => before.sessions.includes(one))) return await resume(key);
      const end: End = {
        ...endNow(word),
        lead: hash,
        sessions: [...new Set([...asked, ...(before?.sessions ?? [])])],
        accounts: [...new Set([session.accountKey, ...(before?.accounts ?? [])])],
      };
      const { homeAccountId } = session.account;
      const mark = seal({ ...session, ending: end }, key);
      await announce(key, homeAccountId, end);
      if (!(await store.replace(key, sealed, mark, endingMarkMs))) continue;
      return await finish({ end, homeAccountId, key, mark });
    }
  }

  const announcementOf = (key: string, homeAccountId: string, { sinceSeconds, id }: End) =>
    JSON.stringify([key, names.user(homeAccountId), sinceSeconds, id] satisfies z.input<typeof announcement>);
  const announce = (key: string, homeAccountId: string, end: End) =>
    store.forceMember(names.endings, announcementOf(key, homeAccountId, end), endingMarkMs);

  /** Resumes the end that the mark under this key tells of, if there is one. Gives how many sessions it ends. */
  async function resume(key: string): Promise<number> {
    const ending = await readMark(key);
    return ending ? await finish(ending) : 0;
  }

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
    // The lead's mark goes last; where it tells of another end by now, that one has taken this one over.
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
    if (gone.length > 0 || end.lead === undefined) await forget(homeAccountId, gone, end.sinceSeconds);
    for (const { client, sid, hash } of ended) {
      if (sid !== undefined) await store.removeMember(names.sid(client, sid), hash);
    }
    for (const { hash } of ended) if (names.session(hash) !== key) await dropMark(hash, end);
    // Whoever takes the last mark away says that it is done. Who cannot know says so too: rather twice than never.
    const mine = store.replace(key, mark, undefined, endingMarkMs);
    if (await mine.catch(() => true)) tell(end, homeAccountId);
    await mine;
    await store.removeMember(names.endings, announcementOf(key, homeAccountId, end));
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
   * A person's tokens go with their last session: those of the accounts that ended, and what other clients hold on their
   * behalf. The tombstone comes first; `tombstone.ts` says why.
   */
  async function forget(homeAccountId: string, gone: string[], sinceSeconds: number): Promise<void> {
    const index = names.user(homeAccountId);
    await store.invalidate(gone);
    await tombstones.bury(homeAccountId, sinceSeconds, () => isSignedIn(homeAccountId));
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

  /** The ends under way, or broken off, that a condition holds for. */
  async function announced(holds: (user: string, sinceSeconds: number) => boolean) {
    const members = await store.members(names.endings);
    return members.flatMap((member) => {
      const [key = '', user = '', sinceSeconds = 0] = parseAnnouncement(member) ?? [];
      return holds(user, sinceSeconds) ? [{ member, key, sinceSeconds }] : [];
    });
  }

  /** Completes what is left of a person's ends: a sign-in that begins now must not hide that they had left. */
  async function resumeOf(homeAccountId: string): Promise<void> {
    for (const { key } of await announced((user) => user === names.user(homeAccountId))) await resume(key);
  }

  /** Resumes what was broken off, by whichever pod. @throws Fault `unavailable`: the next time. */
  async function sweep(): Promise<void> {
    const ageOf = (sinceSeconds: number) => nowSeconds() - sinceSeconds;
    for (const { member, key, sinceSeconds } of await announced((_, since) => ageOf(since) >= endingDueSeconds)) {
      const found = await readMark(key);
      if (found) await finish(found);
      else if (ageOf(sinceSeconds) >= endingForgottenSeconds) await store.removeMember(names.endings, member);
    }
  }

  const resuming = new Set<string>();

  /** Resumes the end whose mark somebody came upon, off their path. */
  function resumeLater(key: string): void {
    if (resuming.has(key)) return;
    resuming.add(key);
    resume(key)
      .catch((error) => logger.debug({ event: 'session.end_broken_off', error: describeError(error) }))
      .finally(() => resuming.delete(key));
  }

  return { end, endAccount, endBySid, endPerson, endUnkept, resumeOf, resumeLater, sweep };
}

function parseAnnouncement(member: string): z.output<typeof announcement> | undefined {
  try {
    return announcement.parse(JSON.parse(member));
  } catch {
    // Not of our making: it leads nowhere, and is swept away.
    return undefined;
  }
}

const isAccount = (key: string) => key.includes('account:{');
const isSession = (key: string) => key.includes('session:{');
