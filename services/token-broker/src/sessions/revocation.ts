import { randomUUID } from 'node:crypto';
import { endingDueSeconds, endingForgottenSeconds, endingMarkMs } from '../lifetimes.ts';
import { type Announcements, createAnnouncements } from './announcements.ts';
import { type CompletionDeps, isAccount, RevocationCompletion } from './complete-revocation.ts';
import { type End, holderOf, type Session } from './record.ts';

type Deps = Omit<CompletionDeps, 'announcements'> & { nowSeconds: () => number };

/** The client that asks for an end, and its reason. */
export type EndReason = Pick<End, 'client' | 'reason' | 'aadsts'>;
type EndRequest = EndReason & { alone: boolean };

/**
 * Ends sessions. An end is a sequence that any pod can resume. Its first step replaces the session's record by a mark:
 * from then on no exchange succeeds, and the mark still names the account. The next steps: tell all pods; after the last
 * session, delete the account's tokens, add the tombstone, delete the tokens of other clients on the person's behalf;
 * clean the indexes; remove the mark.
 */
export class Revocation {
  readonly #deps: Deps;
  readonly #announcements: Announcements;
  readonly #completion: RevocationCompletion;
  readonly #resuming = new Set<string>();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#announcements = createAnnouncements(deps);
    this.#completion = new RevocationCompletion({ ...deps, announcements: this.#announcements });
  }

  /** Ends one session. True if it existed, or if its end was yet to complete. @throws Fault `unavailable`: not yet. */
  async end(hash: string, reason: EndReason): Promise<boolean> {
    return (await this.#begin(hash, { ...reason, alone: true })) > 0;
  }

  /** Ends a session and all others of its account at its client. Gives their number. @throws Fault `unavailable`. */
  async endAccount(hash: string, reason: EndReason): Promise<number> {
    const others = async ({ accountKey }: Session) =>
      (await this.#deps.store.openSessions(accountKey)).map(({ sessionHash }) => sessionHash);
    return await this.#begin(hash, { ...reason, alone: false }, others);
  }

  /** Ends the sessions of one Entra session at a client: front-channel logout. @throws Fault `unavailable`. */
  async endBySid(sid: string, reason: EndReason): Promise<number> {
    const { store, redisKeys, records } = this.#deps;
    const left = new Map<string, Session>();
    for (const hash of await store.members(redisKeys.sid(reason.client, sid))) {
      // A hash without a record stays in the index: its sign-in may be under way.
      const found = records.unseal(hash, await store.get(redisKeys.session(hash)));
      if (found) left.set(hash, found.session);
    }
    const ended = left.size;
    for (const { hash, accountKey } of left.values()) {
      const together = [...left.values()].filter((one) => one.accountKey === accountKey).map((one) => one.hash);
      await this.#begin(hash, { ...reason, alone: false }, async () => together);
      for (const one of together) left.delete(one);
    }
    return ended;
  }

  /** Ends every session of a person at all clients. Gives their number, with those of an end that broke off before. */
  async endPerson(homeAccountId: string, reason: EndReason): Promise<number> {
    const { store, redisKeys, records } = this.#deps;
    const key = redisKeys.ending(homeAccountId);
    let ended = 0;
    for (;;) {
      ended += await this.#resume(key);
      const accounts = (await store.members(redisKeys.user(homeAccountId))).filter(isAccount);
      const open = (await Promise.all(accounts.map((account) => store.openSessions(account)))).flat();
      const sessions = open.map(({ sessionHash }) => sessionHash);
      const end = { ...this.#endNow({ ...reason, alone: false }), sessions, accounts };
      const mark = records.sealPerson({ homeAccountId, ending: end }, key);
      await this.#announcements.add(key, homeAccountId, end);
      if (!(await store.replace(key, undefined, mark, endingMarkMs))) continue;
      return ended + (await this.#completion.complete({ end, homeAccountId, key, mark }));
    }
  }

  /** Takes a session out of its account, if another end removed its record before its account named it. @throws Fault `unavailable`. */
  async endUnkept(session: Session): Promise<void> {
    await this.#begin(session.hash, { client: session.client, alone: true }, undefined, session);
  }

  /** Completes the unfinished ends of a person, so that a new sign-in does not hide them. @throws Fault `unavailable`. */
  async resumeOfPerson(homeAccountId: string): Promise<void> {
    for (const { key } of await this.#announcements.ofPerson(homeAccountId)) await this.#resume(key);
  }

  /** Resumes the end of a mark in the background. */
  resumeLater(key: string): void {
    if (this.#resuming.has(key)) return;
    this.#resuming.add(key);
    this.#resume(key)
      .catch((error) => this.#deps.logger.debug({ event: 'session.end_broken_off', error }))
      .finally(() => this.#resuming.delete(key));
  }

  /** Resumes all ends that broke off, of any pod. @throws the first failure, after it has tried all. */
  async sweep(): Promise<void> {
    const { nowSeconds } = this.#deps;
    let failure: unknown;
    for (const announced of await this.#announcements.since(nowSeconds() - endingDueSeconds)) {
      try {
        const found = await this.#completion.readMark(announced.key);
        if (found) await this.#completion.complete(found);
        else if (nowSeconds() - announced.sinceSeconds >= endingForgottenSeconds) {
          await this.#announcements.forget(announced);
        }
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Replaces a session's record by a mark and completes the end. An existing mark is completed; if more is to end than it
   * names, a wider mark replaces it first. Gives the number of sessions that end together; 0 if this client has neither
   * session nor mark. `unkept`: the session, if its record is gone.
   */
  async #begin(
    hash: string,
    request: EndRequest,
    others: (session: Session) => Promise<string[]> = async () => [],
    unkept?: Session,
  ): Promise<number> {
    const { store, l1, redisKeys, records } = this.#deps;
    const key = redisKeys.session(hash);
    for (;;) {
      const sealed = await store.get(key);
      const found = records.unseal(hash, sealed);
      l1.withdraw(key);
      const session = found?.session ?? unkept;
      if (!session) {
        // A record that does not open here may open at another pod.
        if (sealed) await store.delete(key);
        return 0;
      }
      const mayEnd = session.client === request.client || (request.alone && holderOf(session) === request.client);
      if (!mayEnd) return 0;
      const before = found?.ending;
      const asked = [hash, ...(await others(session))];
      if (before && asked.every((one) => before.sessions.includes(one))) return await this.#resume(key);
      const end: End = {
        ...this.#endNow(request),
        lead: hash,
        sessions: [...new Set([...asked, ...(before?.sessions ?? [])])],
        accounts: [...new Set([session.accountKey, ...(before?.accounts ?? [])])],
      };
      const { homeAccountId } = session.account;
      const mark = records.seal({ ...session, ending: end }, key);
      await this.#announcements.add(key, homeAccountId, end);
      if (!(await store.replace(key, sealed, mark, endingMarkMs))) continue;
      return await this.#completion.complete({ end, homeAccountId, key, mark });
    }
  }

  #endNow(request: EndRequest) {
    return { ...request, id: randomUUID(), sinceSeconds: this.#deps.nowSeconds() };
  }

  /** Resumes the end of the mark under this key, if there is one. Gives how many sessions it ends. */
  async #resume(key: string): Promise<number> {
    const pending = await this.#completion.readMark(key);
    return pending ? await this.#completion.complete(pending) : 0;
  }
}
