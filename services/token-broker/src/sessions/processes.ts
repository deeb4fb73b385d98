import { Fault } from '@onbehalf/node/core/fault';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Store } from '../store/store.ts';
import type { Session, SessionRecords } from './record.ts';
import type { Revocation } from './revocation.ts';
import { hashSessionToken, isProcess, newProcessToken } from './session-token.ts';

type Deps = {
  store: Store;
  redisKeys: RedisKeys;
  records: SessionRecords;
  revocation: Revocation;
  perAccount: number;
  nowSeconds: () => number;
};

type AskedProcess = { client: string; scope: string; lifeSeconds: number };

const retryAfterSeconds = 60;

/**
 * Processes: what a session hands to a job that goes on without it. A process is one more session of the account, which
 * has no idle limit, an end of its own, and scopes of its own: it keeps the account's refresh token while it lives, and
 * whatever ends all sessions of the account ends it by the same steps.
 */
export class Processes {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Begins a process with a living session. Gives its token.
   * @throws Fault `invalid_grant` if the session has ended, `throttled` if the account has too many, `unavailable`.
   */
  async start(parent: Session, asked: AskedProcess): Promise<{ token: string; process: Session }> {
    const { store, redisKeys, records, nowSeconds, perAccount } = this.#deps;
    if ((await this.#hashesOf(parent.accountKey)).length >= perAccount) {
      throw new Fault('throttled', 'The person has too many processes.', { retryAfterSeconds });
    }
    const { client, account, accountKey, sub } = parent;
    const token = newProcessToken();
    const now = nowSeconds();
    const process = records.complete(hashSessionToken(token), {
      ...{ client, account, sub, createdAtSeconds: now, lastSeenSeconds: now },
      process: { ...asked, parent: parent.hash },
    });
    const lifeMs = asked.lifeSeconds * 1_000;
    const key = redisKeys.session(process.hash);
    // The index first: without it an operator's end would miss the account.
    await store.addMember(redisKeys.user(account.homeAccountId), accountKey, lifeMs);
    await store.set(key, records.seal(process, key), lifeMs);
    await this.#join(process, parent.hash);
    return { token, process };
  }

  /** The processes of an account partition that live. @throws Fault `unavailable`. */
  async list(accountKey: string): Promise<Session[]> {
    const { store, redisKeys, records } = this.#deps;
    const hashes = await this.#hashesOf(accountKey);
    const sealed = await Promise.all(hashes.map((hash) => store.get(redisKeys.session(hash))));
    return hashes.flatMap((hash, at) => {
      const found = records.unseal(hash, sealed[at]);
      return found && !found.ending ? [found.session] : [];
    });
  }

  /** Adds a process to its account, unless its session ends meanwhile. @throws Fault `invalid_grant`, `unavailable`. */
  async #join(process: Session, parent: string): Promise<void> {
    const { store, redisKeys, records, revocation } = this.#deps;
    let kept = false;
    try {
      if (await store.touchSession(process.accountKey, records.toOpenSession(process), parent)) {
        const found = records.unseal(parent, await store.get(redisKeys.session(parent)));
        kept = found !== undefined && !found.ending;
      }
    } finally {
      // Nobody gets the token of this process, so it must not keep the account.
      if (!kept) await revocation.end(process.hash, { client: process.client }).catch(() => {});
    }
    if (!kept) throw new Fault('invalid_grant', 'The session has ended.');
  }

  async #hashesOf(accountKey: string): Promise<string[]> {
    const open = await this.#deps.store.openSessions(accountKey);
    return open.map(({ sessionHash }) => sessionHash).filter(isProcess);
  }
}
