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
  kind: 'account' | 'obo' | 'app' | 'agent';
  /** Partitions that Entra throttles together have the same one. */
  throttleKey: string;
};

/** A request for a token, and the steps of its grant. `Tokens` and `TokenAcquirer` call them in the order below. */
export type TokenRequest = {
  client: string;
  partition: Partition;
  tenantId: string;
  /** The scopes, sorted, each once: a token serves only requests for exactly these scopes. */
  scope: string;
  claims: string | undefined;
  /** The person in the log: `accountName`; absent for the token of an app. */
  account?: string | undefined;
  /** The agent that the client acts as. */
  agent?: string | undefined;
  /** The trace of the caller's request: MSAL's correlation id. */
  traceId: string;
  /** Counts the request against a limit and may throw. A request that joins another's flight is not counted. */
  admit?(): void;
  /** Runs before the partition is read. */
  prepare?(): Promise<void>;
  /** The latest sign-in of the person, which voids earlier refusals; by default from the version of the partition. */
  signIn?(): Promise<string | undefined>;
  /** Requests the token from Entra; `msal`: MSAL's cache in the partition, if there is one. */
  acquire(msal: string | undefined): Promise<Acquired | Refused>;
  /** Runs before the token is written, e.g. to index the partition. */
  beforeWrite?(acquired: Acquired): Promise<void>;
  /** Runs after the token is written. If it throws, the caller does not get the token. */
  afterWrite?(acquired: Acquired): Promise<void>;
  /** Runs in place of the last two if Entra refuses, e.g. to end the sessions of a revoked account. */
  onRefused?(refusal: Refusal): Promise<void>;
};

/** Whether a token may be served: more than MSAL's renewal margin is left, as MSAL requires. */
export function isHit({ expiresAtSeconds }: TokenRecord, nowSeconds: number): boolean {
  return expiresAtSeconds - hitMarginSeconds > nowSeconds;
}

/** The name of the field for a token in its partition: one for each tenant, scope and claims; with claims it has another prefix. */
export function toField({ tenantId, scope, claims }: TokenRequest): string {
  const prefix = claims === undefined ? tokenField : claimsField;
  return `${prefix}${sha256(JSON.stringify([tenantId, scope, claims])).slice(0, 22)}`;
}

/** A request, with the fields for its token in the store and in L1. */
export type Wanted = { request: TokenRequest; field: string; l1Field: string };
