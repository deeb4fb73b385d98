import { LocalChannel } from './channel.ts';
import { claimsField, freshVersion, type OpenSession, type Store, tokensPerPartition } from './store.ts';

type TokenField = { fence: number; expiresAtSeconds: number; record: Buffer };
type Hash = { version: string; msal?: Buffer; sessions: Map<string, OpenSession>; tokens: Map<string, TokenField> };
type Entry = { value: Buffer | Hash | Set<string> | string; endsMs: number };

/** The store in memory, for tests: the same contract, one process, a clock that can be moved. No image holds it. */
export function memoryStore(nowMs: () => number = Date.now): Store & {
  ttls(): Map<string, number>;
  /** Takes the channel down and up again. */
  channel: LocalChannel;
} {
  const entries = new Map<string, Entry>();
  const channel = new LocalChannel(nowMs);
  channel.up();
  let fence = 0;

  function live<T>(key: string): T | undefined {
    const entry = entries.get(key);
    if (entry && entry.endsMs <= nowMs()) entries.delete(key);
    return entries.get(key)?.value as T | undefined;
  }
  const put = (key: string, value: Entry['value'], ttlMs: number) =>
    void entries.set(key, { value, endsMs: nowMs() + ttlMs });
  const expireAt = (key: string, seconds: number) => {
    const entry = entries.get(key);
    if (entry) entry.endsMs = seconds * 1_000;
  };
  function addMember(setKey: string, member: string, ttlMs: number): number {
    const members = live<Set<string>>(setKey) ?? new Set();
    const endsMs = Math.max(entries.get(setKey)?.endsMs ?? 0, nowMs() + ttlMs);
    entries.set(setKey, { value: members.add(member), endsMs });
    return members.size;
  }
  const bump = (version: string) => version.replace(/\d+$/, (n) => String(Number(n) + 1));
  const signedIn = (version: string) => version.replace(/(\d+):\d+$/, (_, n) => `${Number(n) + 1}:0`);
  const toLife = (version: string) => version.split(':')[0];

  /** Drops what has expired; gives the latest end of sessions and of tokens. */
  function prune(hash: Hash): { sessions: number; tokens: number } {
    const now = nowMs() / 1_000;
    const ends = { sessions: 0, tokens: 0 };
    for (const kind of ['sessions', 'tokens'] as const) {
      for (const [name, { expiresAtSeconds }] of hash[kind]) {
        if (expiresAtSeconds <= now) hash[kind].delete(name);
        else ends[kind] = Math.max(ends[kind], expiresAtSeconds);
      }
    }
    return ends;
  }

  /** Drops the oldest tokens beyond the most, those with claims first, but not the one just written. */
  function trim({ tokens }: Hash, kept: string): void {
    const plain = (field: string) => (field.startsWith(claimsField) ? 0 : 1);
    const others = [...tokens].filter(([field]) => field !== kept);
    others.sort(([a, one], [b, other]) => plain(a) - plain(b) || one.fence - other.fence);
    for (const [field] of others.slice(0, Math.max(0, tokens.size - tokensPerPartition))) tokens.delete(field);
  }

  return {
    channel,
    permitted: async () => {},
    ttls: () => new Map([...entries].map(([key, { endsMs }]) => [key, endsMs - nowMs()])),
    get: async (key) => live<Buffer>(key),
    getBoth: async (one, other) => [live<Buffer>(one), live<Buffer>(other)],
    set: async (key, value, ttlMs) => put(key, value, ttlMs),
    async setIfAbsent(key, value, ttlMs) {
      if (live(key) !== undefined) return false;
      put(key, value, ttlMs);
      return true;
    },
    async replace(key, read, anew, ttlMs) {
      const held = live<Buffer>(key);
      if (!(held && read ? held.equals(read) : held === read)) return false;
      if (anew) put(key, anew, ttlMs);
      else entries.delete(key);
      return true;
    },
    delete: async (key) => void entries.delete(key),

    addMember: async (...asked) => addMember(...asked),
    forceMember: async (...asked) => void addMember(...asked),
    members: async (setKey) => [...(live<Set<string>>(setKey) ?? [])],
    async removeMember(setKey, member) {
      const members = live<Set<string>>(setKey);
      members?.delete(member);
      if (members?.size === 0) entries.delete(setKey);
    },

    async readPartition(key, fields) {
      const hash = live<Hash>(key);
      return {
        version: hash?.version,
        msal: hash?.msal,
        records: fields.map((field) => hash?.tokens.get(field)?.record),
      };
    },
    readRecord: async (key, field) => live<Hash>(key)?.tokens.get(field)?.record,
    async openSession(key, { session, msal }) {
      const old = live<Hash>(key);
      const hash: Hash = old ?? { version: freshVersion(), sessions: new Map(), tokens: new Map() };
      if (old) hash.version = signedIn(hash.version);
      hash.msal = msal;
      hash.sessions.set(session.sessionHash, session);
      entries.set(key, { value: hash, endsMs: 0 });
      expireAt(key, prune(hash).sessions);
      return [...hash.sessions.values()];
    },
    async touchSession(key, session) {
      const hash = live<Hash>(key);
      if (!hash?.sessions.has(session.sessionHash)) return false;
      hash.sessions.set(session.sessionHash, session);
      expireAt(key, prune(hash).sessions);
      return true;
    },
    async closeSessions(key, sessionHashes) {
      const hash = live<Hash>(key);
      for (const one of sessionHashes) hash?.sessions.delete(one);
      const last = hash ? prune(hash).sessions : 0;
      if (last > 0) expireAt(key, last);
      else entries.delete(key);
      return last === 0;
    },
    openSessions: async (key) => [...(live<Hash>(key)?.sessions.values() ?? [])],
    async writeToken(key, { version, fence: mine, field, record, expiresAtSeconds, msal, expiresWithTokens }) {
      let hash = live<Hash>(key);
      if (!hash) {
        if (version !== undefined || !expiresWithTokens) return 'gone';
        hash = { version: freshVersion(), sessions: new Map(), tokens: new Map() };
        entries.set(key, { value: hash, endsMs: 0 });
      } else if (version !== undefined && toLife(hash.version) !== toLife(version)) return 'gone';
      if ((hash.tokens.get(field)?.fence ?? 0) > mine) return 'fenced';
      if (msal && hash.version === version) {
        hash.version = bump(hash.version);
        hash.msal = msal;
      }
      hash.tokens.set(field, { fence: mine, expiresAtSeconds, record });
      const last = prune(hash).tokens;
      trim(hash, field);
      if (expiresWithTokens) expireAt(key, last);
      return 'written';
    },
    async reseal(key, field, read, anew) {
      const hash = live<Hash>(key);
      const token = hash?.tokens.get(field);
      if (hash && field === 'msal' && hash.msal?.equals(read)) hash.msal = anew;
      else if (token?.record.equals(read)) token.record = anew;
    },

    async takeLease(key, owner, ttlMs) {
      if (live(key) !== undefined) return { heldForMs: Math.max(0, (entries.get(key)?.endsMs ?? 0) - nowMs()) };
      put(key, owner, ttlMs);
      fence += 1;
      return { fence };
    },
    async renewLease(key, owner, ttlMs) {
      if (live(key) !== owner) return false;
      put(key, owner, ttlMs);
      return true;
    },
    async releaseLease(key, owner) {
      if (live(key) === owner) entries.delete(key);
      channel.release(key);
    },
    async invalidate(keys) {
      for (const key of keys) channel.invalidate(key);
    },
  };
}
