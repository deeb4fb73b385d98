import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { endingMarkMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import type { L1 } from '../store/memory-cache.ts';
import { accountName, type RedisKeys, readHashTag } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Announcements } from './announcements.ts';
import type { End, Session, SessionRecords } from './record.ts';
import { isProcess } from './session-token.ts';
import type { Tombstones } from './tombstone.ts';

/** An end under way: its content, its person, and its mark with that key. */
export type PendingEnd = { end: End; homeAccountId: string; key: string; mark: Buffer };

export type CompletionDeps = {
  store: Store;
  l1: L1<Session>;
  redisKeys: RedisKeys;
  records: SessionRecords;
  tombstones: Tombstones;
  announcements: Announcements;
  logger: Logger;
};

/**
 * Completes an end whose mark is written. Every step may run twice, also at two pods at once: it names the sessions that
 * were open when the end began, never a later sign-in.
 */
export class RevocationCompletion {
  readonly #store: Store;
  readonly #l1: L1<Session>;
  readonly #redisKeys: RedisKeys;
  readonly #records: SessionRecords;
  readonly #tombstones: Tombstones;
  readonly #announcements: Announcements;
  readonly #logger: Logger;

  constructor({ store, l1, redisKeys, records, tombstones, announcements, logger }: CompletionDeps) {
    this.#store = store;
    this.#l1 = l1;
    this.#redisKeys = redisKeys;
    this.#records = records;
    this.#tombstones = tombstones;
    this.#announcements = announcements;
    this.#logger = logger;
  }

  /** The end that the mark under this key belongs to, with the mark that goes last; undefined without a mark. */
  async readMark(key: string): Promise<PendingEnd | undefined> {
    const mark = await this.#store.get(key);
    if (!mark) return undefined;
    if (!isSession(key)) {
      const person = this.#records.unsealPerson(mark, key);
      return person && { end: person.ending, homeAccountId: person.homeAccountId, key, mark };
    }
    const hash = readHashTag(key).slice(1, -1);
    const found = this.#records.unseal(hash, mark);
    if (!found?.ending) return undefined;
    const { homeAccountId } = found.session.account;
    const { ending: end } = found;
    if (end.lead === hash) return { end, homeAccountId, key, mark };
    const lead = end.lead === undefined ? this.#redisKeys.ending(homeAccountId) : this.#redisKeys.session(end.lead);
    const leading = await this.readMark(lead);
    // The lead's mark goes last. If that mark is of another end by now, the other end includes this one.
    return leading?.end.id === end.id ? leading : { end: { ...end, lead: hash }, homeAccountId, key, mark };
  }

  /** Does all that is left of an end. Gives how many sessions it ends. @throws Fault `unavailable`. */
  async complete({ end: begun, homeAccountId, key, mark }: PendingEnd): Promise<number> {
    const known = await this.#markSessions(begun);
    const begunMeanwhile = await this.#findBegunMeanwhile(begun);
    const ended = [...known, ...(await this.#markSessions({ ...begun, sessions: begunMeanwhile }))];
    const end = { ...begun, sessions: [...begun.sessions, ...begunMeanwhile] };
    const closed: string[] = [];
    for (const account of end.accounts) {
      if (await this.#store.closeSessions(account, end.sessions)) closed.push(account);
    }
    if (closed.length > 0 || end.lead === undefined) await this.#endPresence(homeAccountId, end, closed, ended);
    for (const { client, sid, hash } of ended) {
      if (sid !== undefined) await this.#store.removeMember(this.#redisKeys.sid(client, sid), hash);
    }
    for (const { hash } of ended) if (this.#redisKeys.session(hash) !== key) await this.#removeMark(hash, end);
    // The pod that removes the last mark logs the end. A lost response leaves that open: then it is logged, perhaps twice.
    const removed = this.#store.replace(key, mark, undefined, endingMarkMs);
    if (await removed.catch(() => true)) this.#logEnd(end, homeAccountId);
    await removed;
    await this.#announcements.remove(key, homeAccountId, end);
    return end.sessions.length;
  }

  /**
   * The processes that the sessions of an end began after it had looked for them. A process joins its account before its
   * session is looked at once more: either it sees the mark of that session there, or it is seen here.
   */
  async #findBegunMeanwhile({ sessions, accounts, alone, reason }: End): Promise<string[]> {
    if (alone || reason === 'front_channel') return [];
    const open = (await Promise.all(accounts.map((key) => this.#store.openSessions(key)))).flat();
    const others = open
      .map(({ sessionHash }) => sessionHash)
      .filter((hash) => isProcess(hash) && !sessions.includes(hash));
    const parents = others.map(async (hash) => {
      const found = this.#records.unseal(hash, await this.#store.get(this.#redisKeys.session(hash)));
      return found?.session.process?.parent;
    });
    const begunBy = await Promise.all(parents);
    return others.filter((_, at) => sessions.includes(begunBy[at] ?? ''));
  }

  /** Replaces the records of an end's sessions by marks, and tells all pods. Gives the sessions that it found. */
  async #markSessions(end: End): Promise<Session[]> {
    const keys = end.sessions.map((hash) => this.#redisKeys.session(hash));
    const found = await Promise.all(end.sessions.map((hash) => this.#markSession(hash, end)));
    for (const key of keys) this.#l1.withdraw(key);
    await this.#store.invalidate(keys);
    return found.filter((one) => one !== undefined);
  }

  /** Replaces a session's record by the mark of an end, unless a mark is there. Undefined if there is neither. */
  async #markSession(hash: string, end: End): Promise<Session | undefined> {
    const key = this.#redisKeys.session(hash);
    for (;;) {
      const sealed = await this.#store.get(key);
      const found = this.#records.unseal(hash, sealed);
      if (!found) return undefined;
      if (found.ending) return found.session;
      const mark = this.#records.seal({ ...found.session, ending: end }, key);
      if (await this.#store.replace(key, sealed, mark, endingMarkMs)) return found.session;
    }
  }

  async #removeMark(hash: string, { id }: End): Promise<void> {
    const key = this.#redisKeys.session(hash);
    const mark = await this.#store.get(key);
    // The mark of another end stays until that end is complete.
    if (mark && this.#records.unseal(hash, mark)?.ending?.id === id) {
      await this.#store.replace(key, mark, undefined, endingMarkMs);
    }
  }

  /**
   * Deletes a person's tokens with their last session: those of the accounts that closed, and those of other clients on
   * the person's behalf. The tombstone comes first; `tombstone.ts` says why.
   */
  async #endPresence(homeAccountId: string, end: End, closed: string[], ended: Session[]): Promise<void> {
    const aliases = new Set(ended.map(({ account }) => `${account.localAccountId}.${account.tenantId}`));
    aliases.delete(homeAccountId);
    await this.#store.invalidate(closed);
    await this.#tombstones.add(homeAccountId, end.sinceSeconds, () => this.#isSignedIn(homeAccountId), [...aliases]);
    const index = this.#redisKeys.user(homeAccountId);
    // The name of an account stays in the index: a concurrent sign-in may have added it just now.
    for (const key of (await this.#store.members(index)).filter((one) => !isAccount(one))) {
      await this.#store.delete(key);
      await this.#store.invalidate([key]);
      await this.#store.removeMember(index, key);
    }
  }

  async #isSignedIn(homeAccountId: string): Promise<boolean> {
    const accounts = (await this.#store.members(this.#redisKeys.user(homeAccountId))).filter(isAccount);
    const read = await Promise.all(accounts.map((key) => this.#store.readPartition(key, [])));
    return read.some(({ version }) => version !== undefined);
  }

  #logEnd(end: End, homeAccountId: string): void {
    const { client, reason, alone, aadsts } = end;
    const ended = end.sessions.length;
    if (!reason) return;
    if (ended > 0) measure('onbehalf.session.ended', ended, { 'onbehalf.session.reason': reason });
    const processes = end.sessions.filter(isProcess).length;
    const one = processes > 0 ? 'process_ended' : 'session_ended';
    const event = reason === 'revoked' ? 'sessions_revoked' : alone ? one : 'sessions_ended';
    const account = accountName(this.#redisKeys, homeAccountId);
    const counted = { ...(!alone && { ended, processes }), ...(aadsts && { aadsts }) };
    this.#logger.info({ event: `audit.${event}`, client, account, reason, ...counted });
  }
}

/** Whether this is the key of an account partition. */
export const isAccount = (key: string) => key.includes('account:{');
const isSession = (key: string) => key.includes('session:{');
