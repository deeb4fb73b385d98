import { LocalChannel } from './channel.ts';
import {
  claimsField,
  freshVersion,
  type OpenSession,
  type PartitionRead,
  type SessionWrite,
  type Store,
  type TokenWrite,
  tokensPerPartition,
} from './store.ts';

type TokenField = { fence: number; expiresAtSeconds: number; record: Buffer };
type Hash = { version: string; msal?: Buffer; sessions: Map<string, OpenSession>; tokens: Map<string, TokenField> };
type Entry = { value: Buffer | Hash | Set<string> | string; endsMs: number };

/** The store in memory, for tests: the same contract, one process, a clock that can be moved. No image holds it. */
export class MemoryStore implements Store {
  /** A test may take it down and up again. */
  readonly channel: LocalChannel;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();
  #fence = 0;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    this.channel = new LocalChannel(nowMs);
    this.channel.up();
  }

  /** What is left of each key, in ms. */
  ttls(): Map<string, number> {
    const entries = [...this.#entries].map(([key, { endsMs }]) => [key, endsMs - this.#nowMs()] as const);
    return new Map(entries.filter(([, leftMs]) => leftMs > 0));
  }

  async permitted(): Promise<void> {}

  async get(key: string): Promise<Buffer | undefined> {
    return this.#live<Buffer>(key);
  }

  async getBoth(one: string, other: string): Promise<[Buffer | undefined, Buffer | undefined]> {
    return [this.#live<Buffer>(one), this.#live<Buffer>(other)];
  }

  async set(key: string, value: Buffer, ttlMs: number): Promise<void> {
    this.#put(key, value, ttlMs);
  }

  async setIfAbsent(key: string, value: Buffer, ttlMs: number): Promise<boolean> {
    if (this.#live(key) !== undefined) return false;
    this.#put(key, value, ttlMs);
    return true;
  }

  async replace(key: string, read: Buffer | undefined, anew: Buffer | undefined, ttlMs: number): Promise<boolean> {
    const held = this.#live<Buffer>(key);
    if (!(held && read ? held.equals(read) : held === read)) return false;
    if (anew) this.#put(key, anew, ttlMs);
    else this.#entries.delete(key);
    return true;
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async addMember(setKey: string, member: string, ttlMs: number): Promise<number> {
    const members = this.#live<Set<string>>(setKey) ?? new Set();
    const endsMs = Math.max(this.#entries.get(setKey)?.endsMs ?? 0, this.#nowMs() + ttlMs);
    this.#entries.set(setKey, { value: members.add(member), endsMs });
    return members.size;
  }

  async forceMember(setKey: string, member: string, ttlMs: number): Promise<void> {
    await this.addMember(setKey, member, ttlMs);
  }

  async members(setKey: string): Promise<string[]> {
    return [...(this.#live<Set<string>>(setKey) ?? [])];
  }

  async removeMember(setKey: string, member: string): Promise<void> {
    const members = this.#live<Set<string>>(setKey);
    members?.delete(member);
    if (members?.size === 0) this.#entries.delete(setKey);
  }

  async readPartition(key: string, fields: string[]): Promise<PartitionRead> {
    const hash = this.#live<Hash>(key);
    const records = fields.map((field) => hash?.tokens.get(field)?.record);
    return { version: hash?.version, msal: hash?.msal, records };
  }

  async readRecord(key: string, field: string): Promise<Buffer | undefined> {
    return this.#live<Hash>(key)?.tokens.get(field)?.record;
  }

  async openSession(key: string, { session, msal }: SessionWrite): Promise<OpenSession[]> {
    const old = this.#live<Hash>(key);
    const hash = old ?? newHash();
    if (old) hash.version = afterSignIn(hash.version);
    hash.msal = msal;
    hash.sessions.set(session.sessionHash, session);
    this.#entries.set(key, { value: hash, endsMs: 0 });
    this.#expireAt(key, this.#prune(hash).sessions);
    return [...hash.sessions.values()];
  }

  async touchSession(key: string, session: OpenSession, beside = session.sessionHash): Promise<boolean> {
    const hash = this.#live<Hash>(key);
    if (!hash?.sessions.has(beside)) return false;
    hash.sessions.set(session.sessionHash, session);
    this.#expireAt(key, this.#prune(hash).sessions);
    return true;
  }

  async closeSessions(key: string, sessionHashes: string[]): Promise<boolean> {
    const hash = this.#live<Hash>(key);
    for (const one of sessionHashes) hash?.sessions.delete(one);
    const last = hash ? this.#prune(hash).sessions : 0;
    if (last > 0) this.#expireAt(key, last);
    else this.#entries.delete(key);
    return last === 0;
  }

  async openSessions(key: string): Promise<OpenSession[]> {
    const now = this.#nowMs() / 1_000;
    const named = [...(this.#live<Hash>(key)?.sessions.values() ?? [])];
    return named.filter(({ expiresAtSeconds }) => expiresAtSeconds > now);
  }

  async writeToken(key: string, write: TokenWrite): Promise<'written' | 'fenced' | 'gone'> {
    const { version, fence, field, record, expiresAtSeconds, msal, expiresWithTokens } = write;
    let hash = this.#live<Hash>(key);
    if (!hash) {
      if (version !== undefined || !expiresWithTokens) return 'gone';
      hash = newHash();
      this.#entries.set(key, { value: hash, endsMs: 0 });
    } else if (version !== undefined && toLife(hash.version) !== toLife(version)) return 'gone';
    if ((hash.tokens.get(field)?.fence ?? 0) > fence) return 'fenced';
    if (msal && hash.version === version) {
      hash.version = afterWrite(hash.version);
      hash.msal = msal;
    }
    hash.tokens.set(field, { fence, expiresAtSeconds, record });
    const last = this.#prune(hash).tokens;
    trim(hash, field);
    if (expiresWithTokens) this.#expireAt(key, last);
    return 'written';
  }

  async reseal(key: string, field: string, read: Buffer, anew: Buffer): Promise<void> {
    const hash = this.#live<Hash>(key);
    const token = hash?.tokens.get(field);
    if (hash && field === 'msal' && hash.msal?.equals(read)) hash.msal = anew;
    else if (token?.record.equals(read)) token.record = anew;
  }

  async takeLease(key: string, owner: string, ttlMs: number): Promise<{ fence: number } | { heldForMs: number }> {
    if (this.#live(key) !== undefined) {
      return { heldForMs: Math.max(0, (this.#entries.get(key)?.endsMs ?? 0) - this.#nowMs()) };
    }
    this.#put(key, owner, ttlMs);
    this.#fence += 1;
    return { fence: this.#fence };
  }

  async renewLease(key: string, owner: string, ttlMs: number): Promise<boolean> {
    if (this.#live(key) !== owner) return false;
    this.#put(key, owner, ttlMs);
    return true;
  }

  async releaseLease(key: string, owner: string): Promise<void> {
    if (this.#live(key) === owner) this.#entries.delete(key);
    this.channel.release(key);
  }

  async invalidate(keys: string[]): Promise<void> {
    for (const key of keys) this.channel.invalidate(key);
  }

  #live<T>(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry && entry.endsMs <= this.#nowMs()) this.#entries.delete(key);
    return this.#entries.get(key)?.value as T | undefined;
  }

  #put(key: string, value: Entry['value'], ttlMs: number): void {
    this.#entries.set(key, { value, endsMs: this.#nowMs() + ttlMs });
  }

  #expireAt(key: string, seconds: number): void {
    const entry = this.#entries.get(key);
    if (entry) entry.endsMs = seconds * 1_000;
  }

  /** Removes what has expired; gives the latest end of sessions and of tokens. */
  #prune(hash: Hash): { sessions: number; tokens: number } {
    const now = this.#nowMs() / 1_000;
    const ends = { sessions: 0, tokens: 0 };
    for (const kind of ['sessions', 'tokens'] as const) {
      for (const [name, { expiresAtSeconds }] of hash[kind]) {
        if (expiresAtSeconds <= now) hash[kind].delete(name);
        else ends[kind] = Math.max(ends[kind], expiresAtSeconds);
      }
    }
    return ends;
  }
}

const newHash = (): Hash => ({ version: freshVersion(), sessions: new Map(), tokens: new Map() });

const afterWrite = (version: string) => version.replace(/\d+$/, (n) => String(Number(n) + 1));
const afterSignIn = (version: string) => version.replace(/(\d+):\d+$/, (_, n) => `${Number(n) + 1}:0`);
const toLife = (version: string) => version.split(':')[0];

/** Removes the oldest tokens beyond the most, those with claims first, but not the one just written. */
function trim({ tokens }: Hash, kept: string): void {
  const plain = (field: string) => (field.startsWith(claimsField) ? 0 : 1);
  const others = [...tokens].filter(([field]) => field !== kept);
  others.sort(([a, one], [b, other]) => plain(a) - plain(b) || one.fence - other.fence);
  for (const [field] of others.slice(0, Math.max(0, tokens.size - tokensPerPartition))) tokens.delete(field);
}
