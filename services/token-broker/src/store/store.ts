import { randomBytes } from 'node:crypto';

/**
 * What the broker asks of its shared store. Values are opaque bytes. Every operation touches one key (or keys of one
 * hash tag), is atomic, and leaves no key without a TTL.
 * @throws Fault `unavailable` from every operation when the store does not respond in time, or takes nothing more; then
 * its cause is a `StoreFull`.
 */
export interface Store {
  /** @throws Fault `unavailable` while the store refuses an operation: what begins now could perhaps not be ended. */
  permitted(): Promise<void>;
  get(key: string): Promise<Buffer | undefined>;
  /** Two values; one command where they share a hash tag. */
  getBoth(one: string, other: string): Promise<[Buffer | undefined, Buffer | undefined]>;
  set(key: string, value: Buffer, ttlMs: number): Promise<void>;
  /** False if the key exists. */
  setIfAbsent(key: string, value: Buffer, ttlMs: number): Promise<boolean>;
  /**
   * Puts `anew` in the place of what was read; undefined is no value. False if it is something else by now: a late write
   * brings nothing back. Works in a store that takes nothing more.
   */
  replace(key: string, read: Buffer | undefined, anew: Buffer | undefined, ttlMs: number): Promise<boolean>;
  delete(key: string): Promise<void>;

  /** Adds to a set whose TTL is the longest of its members'. Gives the number of its members. */
  addMember(setKey: string, member: string, ttlMs: number): Promise<number>;
  /** The same, also into a store that takes nothing more: for the few members that an end needs. */
  forceMember(setKey: string, member: string, ttlMs: number): Promise<void>;
  members(setKey: string): Promise<string[]>;
  removeMember(setKey: string, member: string): Promise<void>;

  /** Reads a partition's fields; `version` is undefined when there is no such partition. */
  readPartition(key: string, fields: string[]): Promise<PartitionRead>;
  /** Reads one token record: the cheapest read there is. */
  readRecord(key: string, field: string): Promise<Buffer | undefined>;
  /** Puts a sign-in into an account partition, making it if needed; every open session of it comes back. */
  openSession(key: string, write: SessionWrite): Promise<OpenSession[]>;
  /** Prolongs a session inside its account partition. False if it is not there. */
  touchSession(key: string, session: OpenSession): Promise<boolean>;
  /** Takes sessions out; with the last one the partition goes. True if it is gone. */
  closeSessions(key: string, sessionHashes: string[]): Promise<boolean>;
  /** The open sessions of an account partition. */
  openSessions(key: string): Promise<OpenSession[]>;
  /**
   * Writes an acquired token, and the MSAL cache if nobody wrote it since `version` was read. A partition that holds more
   * than `tokensPerPartition` loses the oldest ones, those with claims first.
   */
  writeToken(key: string, write: TokenWrite): Promise<'written' | 'fenced' | 'gone'>;

  /** Replaces a partition's sealed field by the same sealed anew, unless it changed since it was read. */
  reseal(key: string, field: string, read: Buffer, anew: Buffer): Promise<void>;

  /** Takes a lease; `fence` grows with every grant. If another holds it, says how long at most. */
  takeLease(key: string, owner: string, ttlMs: number): Promise<{ fence: number } | { heldForMs: number }>;
  renewLease(key: string, owner: string, ttlMs: number): Promise<boolean>;
  /** Releases the lease if it is still ours, and wakes all that wait for it. */
  releaseLease(key: string, owner: string): Promise<void>;

  /** Tells every pod, this one included, to drop these keys from L1. */
  invalidate(keys: string[]): Promise<void>;
  readonly channel: Channel;
}

/** The prefix of a partition's fields that hold a token, and of those among them that were acquired with claims. */
export const tokenField = 't:';
export const claimsField = 't:c:';

/**
 * A partition holds so many tokens: more than anybody's APIs have sets of scopes. Claims may change with every challenge
 * (`nbf`), and each write walks all of a partition.
 */
export const tokensPerPartition = 64;

/** Memory is full: what is there can still be read. */
export class StoreFull extends Error {}

export type PartitionRead = { version: string | undefined; msal: Buffer | undefined; records: (Buffer | undefined)[] };

export type OpenSession = { sessionHash: string; expiresAtSeconds: number; createdAtSeconds: number };

export type SessionWrite = { session: OpenSession; msal: Buffer };

export type TokenWrite = {
  /** As read before the token was acquired; undefined when there was no partition. */
  version: string | undefined;
  /** The lease's fence: a record written under a later one stays. */
  fence: number;
  field: string;
  record: Buffer;
  expiresAtSeconds: number;
  msal?: Buffer | undefined;
  /** Partitions that live as long as their tokens; an account partition lives as long as its sessions. */
  expiresWithTokens: boolean;
};

/**
 * The version of a new partition, `life:sign-ins:writes`; no partition ever had its life, so that a late writer of a
 * former one never matches it.
 */
export function freshVersion(): string {
  return `${randomBytes(8).toString('hex')}:1:0`;
}

/** The part of a partition's version that only a sign-in changes. */
export function readSignIn(version: string | undefined): string | undefined {
  return version?.slice(0, version.lastIndexOf(':'));
}

/** The channel between pods. While it is down, a pod hears of no sign-out. */
export interface Channel {
  /** Counts how often the channel came up: what was read in an earlier epoch may have missed a message. */
  readonly epoch: number;
  /** When the channel went down; undefined while it is up. */
  readonly downSinceMs: number | undefined;
  /** Until when the channel carried every message of an epoch; now, while it is up in that epoch. */
  heardUntilMs(epoch: number): number;
  onInvalidate(listener: (key: string) => void): void;
  /** Resolves when the lease is released, or after `timeoutMs`. */
  waitForRelease(leaseKey: string, timeoutMs: number): Promise<void>;
}
