import { randomUUID } from 'node:crypto';
import { describeError } from '@onbehalf/chassis/telemetry/logger';
import { endingDueSeconds, endingForgottenSeconds, endingMarkMs } from '../lifetimes.ts';
import { createAnnouncements } from './announcements.ts';
import { createEnding, type EndingDeps, isAccount } from './complete-revocation.ts';
import type { End, Session } from './record.ts';

type Deps = Omit<EndingDeps, 'announcements'> & { nowSeconds: () => number };

/** The client that asks for an end, and its reason. */
export type Word = Pick<End, 'client' | 'reason' | 'aadsts'>;

/**
 * The ends of sessions. An end is a sequence that any pod can resume. Its first step replaces the session's record by a
 * mark: from then on no exchange succeeds, and the mark still knows the account. Then follow the messages to all pods; if
 * it was the last session, the account's tokens, the tombstone and the tokens of other clients on the person's behalf; the
 * indexes; and the removal of the mark at last.
 */
export function createSessionEnd(deps: Deps) {
  const { store, l1, names, records, logger, nowSeconds } = deps;
  const { seal, unseal } = records;
  const announcements = createAnnouncements(deps);
  const { readMark, finish } = createEnding({ ...deps, announcements });

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
      await announcements.add(key, homeAccountId, end);
      if (!(await store.replace(key, undefined, mark, endingMarkMs))) continue;
      return ended + (await finish({ end, homeAccountId, key, mark }));
    }
  }

  /** Takes a session out of its account that another end removed before it stood there. @throws Fault `unavailable`. */
  async function endUnkept(session: Session): Promise<void> {
    await begin(session.hash, { client: session.client, alone: true }, undefined, session);
  }

  const endNow = (word: Word & { alone: boolean }) => ({ ...word, id: randomUUID(), sinceSeconds: nowSeconds() });

  /**
   * Replaces a session's record by a mark and completes the end. An existing mark is completed; if more is to end than it
   * names, a wider mark replaces it first. Gives the number of sessions that end together; 0 if this client has neither
   * session nor mark. `unkept`: the session, if its record is gone.
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
        // A record that does not open here may open at another pod.
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
      await announcements.add(key, homeAccountId, end);
      if (!(await store.replace(key, sealed, mark, endingMarkMs))) continue;
      return await finish({ end, homeAccountId, key, mark });
    }
  }

  /** Resumes the end that the mark under this key tells of, if there is one. Gives how many sessions it ends. */
  async function resume(key: string): Promise<number> {
    const ending = await readMark(key);
    return ending ? await finish(ending) : 0;
  }

  /** Completes a person's unfinished ends: a sign-in that begins now must not hide that they had left. */
  async function resumeOf(homeAccountId: string): Promise<void> {
    for (const { key } of await announcements.ofPerson(homeAccountId)) await resume(key);
  }

  /** Resumes all ends that broke off, of any pod. @throws the first failure, after it has tried all. */
  async function sweep(): Promise<void> {
    let failure: unknown;
    for (const announced of await announcements.since(nowSeconds() - endingDueSeconds)) {
      try {
        const found = await readMark(announced.key);
        if (found) await finish(found);
        else if (nowSeconds() - announced.sinceSeconds >= endingForgottenSeconds) await announcements.forget(announced);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  const resuming = new Set<string>();

  /** Resumes the end that a mark tells of, off the caller's path. */
  function resumeLater(key: string): void {
    if (resuming.has(key)) return;
    resuming.add(key);
    resume(key)
      .catch((error) => logger.debug({ event: 'session.end_broken_off', error: describeError(error) }))
      .finally(() => resuming.delete(key));
  }

  return { end, endAccount, endBySid, endPerson, endUnkept, resumeOf, resumeLater, sweep };
}
