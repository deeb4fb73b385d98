import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import type { SignIn } from '../entra/entra.ts';
import { sessionRecheckMs, touchPart } from '../lifetimes.ts';
import type { L1 } from '../store/memory-cache.ts';
import type { RedisKeys } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { OpenSession, Store } from '../store/store.ts';
import { createFields, type Fields } from '../tokens/token-fields.ts';
import { Processes } from './processes.ts';
import { createSessionRecords, holderOf, type Session, type SessionRecords } from './record.ts';
import { Revocation } from './revocation.ts';
import { hashSessionToken, isProcess, newSessionToken } from './session-token.ts';
import type { Tombstones } from './tombstone.ts';

type Deps = {
  store: Store;
  l1: L1<Session>;
  redisKeys: RedisKeys;
  sealing: Sealing;
  tombstones: Tombstones;
  logger: Logger;
  idleSeconds: number;
  absoluteSeconds: number;
  /** The most sessions that one account may have; a further sign-in ends the oldest. */
  perAccount: number;
  nowMs: () => number;
};

/**
 * Sessions: an opaque token that the caller holds, a sealed record that the store holds under the token's hash. They begin
 * with a sign-in, live while they are used, and end as `revocation.ts` says.
 */
export class Sessions {
  /** Ends sessions: by hash, by account, by `sid`, by person. */
  readonly revocation: Revocation;
  /** What sessions hand to jobs. */
  readonly processes: Processes;
  readonly #deps: Deps;
  readonly #records: SessionRecords;
  readonly #fields: Fields;
  readonly #touching = new Set<string>();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#fields = createFields(deps);
    this.#records = createSessionRecords(deps);
    const ours = { ...deps, records: this.#records, nowSeconds: () => this.#nowSeconds() };
    this.revocation = new Revocation(ours);
    this.processes = new Processes({ ...ours, revocation: this.revocation });
  }

  /**
   * Begins a session with a new sign-in, whose MSAL cache becomes the account's. Gives the session token.
   * @throws Fault `invalid_grant` if the session was ended while it began, `unavailable`.
   */
  async start(client: string, signIn: SignIn): Promise<{ token: string; session: Session }> {
    const { store, redisKeys } = this.#deps;
    const token = newSessionToken();
    const session = this.#newSession(hashSessionToken(token), client, signIn);
    const key = redisKeys.session(session.hash);
    // Indexes first: a name in them without its session does no harm; a session without its name is missed at sign-out.
    await this.#addToIndexes(session);
    const lifeMs = (session.expiresAtSeconds - session.createdAtSeconds) * 1_000;
    await store.set(key, this.#records.seal(session, key), lifeMs);
    const open = await store.openSession(session.accountKey, {
      session: this.#records.toOpenSession(session),
      msal: this.#fields.seal(session.accountKey, 'msal', signIn.msal),
    });
    await this.#confirm(session);
    await this.#endOldest(session, open);
    return { token, session };
  }

  /** The live session or process of a token at the client that may use it, or undefined. Counts as activity. @throws Fault `unavailable`. */
  async find(token: string, client: string): Promise<Session | undefined> {
    const nowSeconds = this.#nowSeconds();
    const hash = hashSessionToken(token);
    const held = this.#deps.l1.get(this.#deps.redisKeys.session(hash), '');
    // A session that looks idle here may have been used at another pod.
    const usable =
      held && held.freshness !== 'expired' && held.value.expiresAtSeconds > nowSeconds ? held.value : undefined;
    const fresh = held?.freshness === 'fresh' && held.ageMs < sessionRecheckMs ? usable : undefined;
    const { session, old } = fresh ? { session: fresh, old: false } : await this.#read(hash, usable);
    if (!session || holderOf(session) !== client || session.expiresAtSeconds <= this.#nowSeconds()) return undefined;
    const touchSeconds = this.#deps.idleSeconds * touchPart;
    if (old || this.#nowSeconds() - session.lastSeenSeconds >= touchSeconds) this.#touch(session, old);
    return session;
  }

  #nowSeconds(): number {
    return Math.floor(this.#deps.nowMs() / 1_000);
  }

  #newSession(hash: string, client: string, { account, sub, sid }: SignIn): Session {
    const now = this.#nowSeconds();
    const times = { createdAtSeconds: now, lastSeenSeconds: now };
    return this.#records.complete(hash, { client, account, sub, ...(sid !== undefined && { sid }), ...times });
  }

  async #addToIndexes({ hash, client, account, accountKey, sid }: Session): Promise<void> {
    const { store, redisKeys, absoluteSeconds } = this.#deps;
    const lifeMs = absoluteSeconds * 1_000;
    await Promise.all([
      this.revocation.resumeOfPerson(account.homeAccountId),
      store.addMember(redisKeys.user(account.homeAccountId), accountKey, lifeMs),
      sid === undefined ? undefined : store.addMember(redisKeys.sid(client, sid), hash, lifeMs),
    ]);
  }

  /** Confirms a new session against concurrent ends. @throws Fault `invalid_grant` if one of them ended it. */
  async #confirm(session: Session): Promise<void> {
    const { hash, client, account } = session;
    let kept: Session | undefined;
    try {
      await this.#deps.tombstones.withdrawProposal(account.homeAccountId);
      kept = (await this.#read(hash, undefined)).session;
    } catch (error) {
      // Nobody gets the token of this session, so the session must not keep the person signed in.
      this.revocation.end(hash, { client }).catch(() => {});
      throw error;
    }
    if (kept) return;
    // An end that came before the account named the session could not take it out of there.
    await this.revocation.endUnkept(session);
    throw new Fault('invalid_grant', 'The session was ended while it began.');
  }

  /** Ends the oldest sessions of an account that has more than it may hold. */
  async #endOldest({ hash, client }: Session, open: OpenSession[]): Promise<void> {
    const sessions = open.filter(({ sessionHash }) => !isProcess(sessionHash));
    const oldest = sessions
      .filter(({ sessionHash }) => sessionHash !== hash)
      .sort((a, b) => a.createdAtSeconds - b.createdAtSeconds)
      .slice(0, Math.max(0, sessions.length - this.#deps.perAccount));
    // The next sign-in ends those that cannot be ended now.
    for (const { sessionHash } of oldest) await this.revocation.end(sessionHash, { client }).catch(() => {});
  }

  /** Reads a session from the store. `held`: the one in memory, which serves while the store is unavailable. */
  async #read(hash: string, held: Session | undefined): Promise<{ session?: Session; old: boolean }> {
    const { store, l1, redisKeys } = this.#deps;
    const key = redisKeys.session(hash);
    const readStart = l1.startRead();
    let sealed: Buffer | undefined;
    try {
      sealed = await store.get(key);
    } catch (error) {
      if (held && error instanceof Fault && error.code === 'unavailable') return { session: held, old: false };
      throw error;
    }
    const opened = this.#records.unseal(hash, sealed);
    if (!opened || opened.ending) {
      l1.withdraw(key);
      if (opened) this.revocation.resumeLater(key);
      return { old: false };
    }
    l1.put(key, '', opened.session, readStart);
    return opened;
  }

  /** Writes the time of this use in the background; a session that ended meanwhile stays ended. */
  #touch(session: Session, sealedWithOldKey: boolean): void {
    if (this.#touching.has(session.hash)) return;
    this.#touching.add(session.hash);
    this.#writeSeen(session)
      .then(() => (sealedWithOldKey ? this.#resealAccount(session.accountKey) : undefined))
      // The next use tries again: L1 reads the store again before the idle limit is near.
      .catch(() => {})
      .finally(() => this.#touching.delete(session.hash));
  }

  async #writeSeen(session: Session): Promise<void> {
    const { store, l1, redisKeys } = this.#deps;
    const { complete, toOpenSession, seal, unseal } = this.#records;
    const key = redisKeys.session(session.hash);
    const seen = complete(session.hash, { ...session, lastSeenSeconds: this.#nowSeconds() });
    const readStart = l1.startRead();
    const sealed = await store.get(key);
    const found = unseal(session.hash, sealed);
    const alive =
      found &&
      !found.ending &&
      (await store.touchSession(seen.accountKey, toOpenSession(seen))) &&
      (await store.replace(key, sealed, seal(seen, key), (seen.expiresAtSeconds - this.#nowSeconds()) * 1_000));
    if (alive) l1.put(key, '', seen, readStart);
    else l1.withdraw(key);
  }

  /** Seals the refresh token of a session in use with the current key: its own next use may be too late. */
  async #resealAccount(key: string): Promise<void> {
    const { msal } = await this.#deps.store.readPartition(key, []);
    if (msal) this.#fields.open(key, 'msal', msal);
  }
}
