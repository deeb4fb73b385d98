import { z } from 'zod';
import type { Acquired, Refused } from '../entra/entra.ts';
import type { Refusal } from '../entra/entra-errors.ts';
import { hitMarginSeconds } from '../lifetimes.ts';
import { sha256 } from '../store/redis-keys.ts';
import { claimsField, tokenField } from '../store/store.ts';

export const tokenRecord = z.object({
  accessToken: z.string(),
  scope: z.string(),
  expiresAtSeconds: z.number(),
  refreshAtSeconds: z.number(),
});

/** An access token as it is stored and served. */
export type TokenRecord = z.output<typeof tokenRecord>;

/** `source`: where this request found the token. */
export type Token = { record: TokenRecord; source: 'memory' | 'redis' | 'entra' };

export type Partition = {
  key: string;
  kind: 'account' | 'obo' | 'app';
  /** The key whose hash tag names who is throttled with this partition. */
  throttleKey: string;
};

export type TokenRequest = {
  client: string;
  partition: Partition;
  tenantId: string;
  /** Sorted, each once, in one string: a token never serves a wider or narrower request. */
  scope: string;
  claims: string | undefined;
  /** The person in the log: `accountName`; absent where the token is an app's own. */
  account?: string | undefined;
  /** The trace of the caller's request: MSAL's correlation id. */
  traceId: string;
  /** Counts the request against a limit and may throw. A request that joins another's flight is not counted. */
  admit?(): void;
  /** The person's latest sign-in, where the partition does not say: it voids earlier refusals. */
  signIn?(): Promise<string | undefined>;
  /** Runs before the partition is read that the token is to be acquired with. */
  prepare?(): Promise<void>;
  /** Asks Entra; `msal` is the partition's cache, undefined where it has none. */
  acquire(msal: string | undefined): Promise<Acquired | Refused>;
  /** Runs before the token is written, e.g. to index the partition. */
  beforeWrite?(acquired: Acquired): Promise<void>;
  /** Runs after it; may throw to take the token back. */
  afterWrite?(acquired: Acquired): Promise<void>;
  /** Effects of a refusal beyond remembering it. */
  onRefused?(refusal: Refusal): Promise<void>;
};

/** MSAL's own rule: a token is a hit while more than its renewal margin is left. */
export function isHit({ expiresAtSeconds }: TokenRecord, nowSeconds: number): boolean {
  return expiresAtSeconds - hitMarginSeconds > nowSeconds;
}

/** The field of its partition that holds a token: one for each tenant, set of scopes and claims, which is marked. */
export function toField({ tenantId, scope, claims }: TokenRequest): string {
  const prefix = claims === undefined ? tokenField : claimsField;
  return `${prefix}${sha256(JSON.stringify([tenantId, scope, claims])).slice(0, 22)}`;
}

/** A token asked for, and where it is kept: its field in the store and in this process' memory. */
export type Wanted = { request: TokenRequest; field: string; l1Field: string };
