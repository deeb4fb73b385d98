import { randomBytes } from 'node:crypto';

/**
 * The operations of the shared store. Values are opaque bytes. Each operation touches one key (or keys of one hash tag),
 * is atomic, and leaves no key without a TTL.
 * @throws Fault `unavailable` from every operation if the store does not respond in time. If the store is full, the cause
 * is a `StoreFull`.
 */
export interface Store {
  /** @throws Fault `unavailable` while the store refuses an operation: a session that begins now might never be ended. */
  permitted(): Promise<void>;
  get(key: string): Promise<Buffer | undefined>;
  /** Two values; one command where they share a hash tag. */
  getBoth(one: string, other: string): Promise<[Buffer | undefined, Buffer | undefined]>;
  set(key: string, value: Buffer, ttlMs: number): Promise<void>;
  /** False if the key exists. */
  setIfAbsent(key: string, value: Buffer, ttlMs: number): Promise<boolean>;
  /**
   * Replaces the value that was read by `anew`; undefined means no value. False if the value has changed since: a late
   * write restores nothing. Also works while the store is full.
   */
  replace(key: string, read: Buffer | undefined, anew: Buffer | undefined, ttlMs: number): Promise<boolean>;
  delete(key: string): Promise<void>;

  /** Adds a member to a set; the set lives as long as its longest-lived member. Returns the number of members. */
  addMember(setKey: string, member: string, ttlMs: number): Promise<number>;
  /** The same, also while the store is full: for the few members that the end of a session needs. */
  forceMember(setKey: string, member: string, ttlMs: number): Promise<void>;
  members(setKey: string): Promise<string[]>;
  removeMember(setKey: string, member: string): Promise<void>;

  /** Reads fields of a partition; `version` is undefined if there is no such partition. */
  readPartition(key: string, fields: string[]): Promise<PartitionRead>;
  /** Reads one token record. */
  readRecord(key: string, field: string): Promise<Buffer | undefined>;
  /** Adds a sign-in to an account partition, which is made if needed. Returns its open sessions. */
  openSession(key: string, write: SessionWrite): Promise<OpenSession[]>;
  /** Writes the end of a session in its account partition, if this session (`beside`) is open there. False if it is not. */
  touchSession(key: string, session: OpenSession, beside?: string): Promise<boolean>;
  /** Removes sessions; with the last one the partition. True if the partition is gone. */
  closeSessions(key: string, sessionHashes: string[]): Promise<boolean>;
  /** The open sessions of an account partition. */
  openSessions(key: string): Promise<OpenSession[]>;
  /**
   * Writes an acquired token, and the MSAL cache if it has not changed since `version` was read. If the partition then has
   * more than `tokensPerPartition` tokens, the oldest are removed, those with claims first.
   */
  writeToken(key: string, write: TokenWrite): Promise<'written' | 'fenced' | 'gone'>;

  /** Replaces a sealed field of a partition by the same value sealed again, unless it has changed since it was read. */
  reseal(key: string, field: string, read: Buffer, anew: Buffer): Promise<void>;

  /** Takes a lease; each lease has a higher `fence`. If another owner holds it: for how long at most. */
  takeLease(key: string, owner: string, ttlMs: number): Promise<{ fence: number } | { heldForMs: number }>;
  renewLease(key: string, owner: string, ttlMs: number): Promise<boolean>;
  /** Releases the lease if this owner still holds it, and wakes all that wait for it. */
  releaseLease(key: string, owner: string): Promise<void>;

  /** Tells every pod, this one included, to drop these keys from L1. */
  invalidate(keys: string[]): Promise<void>;
  readonly channel: Channel;
}

/** The prefix of a partition's fields that hold a token, and of those among them that were acquired with claims. */
export const tokenField = 't:';
export const claimsField = 't:c:';

/**
 * The most tokens of a partition: more than the APIs of a person have sets of scopes. Claims may change with every
 * challenge (`nbf`), so without a limit a partition would grow, and each write reads all of it.
 */
export const tokensPerPartition = 64;

/** The store has no memory left: it can be read, and not written. */
export class StoreFull extends Error {}

export type PartitionRead = { version: string | undefined; msal: Buffer | undefined; records: (Buffer | undefined)[] };

export type OpenSession = { sessionHash: string; expiresAtSeconds: number; createdAtSeconds: number };

export type SessionWrite = { session: OpenSession; msal: Buffer };

export type TokenWrite = {
  /** As read before the token was acquired; undefined when there was no partition. */
  version: string | undefined;
  /** The fence of the lease: a record that was written with a later one stays. */
  fence: number;
  field: string;
  record: Buffer;
  expiresAtSeconds: number;
  msal?: Buffer | undefined;
  /** True for a partition that lives as long as its tokens; an account partition lives as long as its sessions. */
  expiresWithTokens: boolean;
};

/**
 * The version of a new partition, `life:sign-ins:writes`. The life is random, so that a late write to an earlier partition
 * of the same key never matches.
 */
export function freshVersion(): string {
  return `${randomBytes(8).toString('hex')}:1:0`;
}

/** The part of a partition's version that only a sign-in changes. */
export function readSignIn(version: string | undefined): string | undefined {
  return version?.slice(0, version.lastIndexOf(':'));
}

/** The channel between pods. While it is down, a pod gets no messages about sign-outs. */
export interface Channel {
  /** Counts how often the channel came up. A message about a value of an earlier epoch may have been missed. */
  readonly epoch: number;
  /** When the channel went down; undefined while it is up. */
  readonly downSinceMs: number | undefined;
  /** The time until which every message of an epoch was received; now, if the channel is still up in that epoch. */
  heardUntilMs(epoch: number): number;
  onInvalidate(listener: (key: string) => void): void;
  listenForRelease(leaseKey: string): ReleaseListener;
}

/** Hears of a lease's releases from when it is made until it is disposed of. */
export interface ReleaseListener extends Disposable {
  /** Resolves once a release was heard, or after `timeoutMs`. */
  heard(timeoutMs: number): Promise<void>;
}
