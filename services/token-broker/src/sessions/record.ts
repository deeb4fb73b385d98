import { z } from 'zod';
import type { RedisKeys } from '../store/redis-keys.ts';
import { type Sealing, sealedJson } from '../store/sealing.ts';
import type { OpenSession } from '../store/store.ts';

const endSchema = z.object({
  id: z.string(),
  sinceSeconds: z.number(),
  /** The name of the client that asked for it. */
  client: z.string(),
  /** The reason, as the metric has it; an end without a reason is not logged. */
  reason: z.enum(['sign_out', 'replaced', 'front_channel', 'operator', 'revoked']).optional(),
  /** Whether one session was to end, or all of its account. */
  alone: z.boolean(),
  aadsts: z.array(z.number()).optional(),
  /** The hash of the session whose mark goes last; absent if the person's own mark does. */
  lead: z.string().optional(),
  /** The hashes of all sessions that end. */
  sessions: z.array(z.string()),
  /** The keys of their account partitions. */
  accounts: z.array(z.string()),
});

/** The sessions that end together, and the reason. It is kept in the marks that replace the sessions' records. */
export type End = z.output<typeof endSchema>;

const recordSchema = z.object({
  client: z.string(),
  account: z.object({
    homeAccountId: z.string(),
    environment: z.string(),
    tenantId: z.string(),
    localAccountId: z.string(),
  }),
  sub: z.string(),
  sid: z.string().optional(),
  createdAtSeconds: z.number(),
  lastSeenSeconds: z.number(),
  /** Present in a process: what a session has handed to a job. */
  process: z
    .object({
      /** The name of the client that may use it. */
      client: z.string(),
      scope: z.string(),
      lifeSeconds: z.number(),
      /** The hash of the session that it was begun with. */
      parent: z.string(),
    })
    .optional(),
  /** The fingerprint of the index key that names its account; the first version wrote none. */
  index: z.string().optional(),
  /** Present in a mark: the session has ended, and this end is yet to complete. */
  ending: endSchema.optional(),
});

const personMarkSchema = z.object({ homeAccountId: z.string(), ending: endSchema });

type Kept = Omit<z.output<typeof recordSchema>, 'ending' | 'index'>;

/** A session as the broker reads it: the record, its place and its end. */
export type Session = Kept & {
  hash: string;
  /** The key of its account partition. */
  accountKey: string;
  idleEndSeconds: number;
  absoluteEndSeconds: number;
  /** The earlier of the two. */
  expiresAtSeconds: number;
};

/** The name of the client that may use a session or a process. */
export const holderOf = ({ client, process }: Session): string => process?.client ?? client;

type Deps = { redisKeys: RedisKeys; sealing: Sealing; idleSeconds: number; absoluteSeconds: number };

/**
 * Session records as the store holds them, sealed under the hash of their token, and as the broker reads them; and the
 * marks that stand in their place while they end.
 */
export function createSessionRecords({ redisKeys, sealing, idleSeconds, absoluteSeconds }: Deps) {
  const records = sealedJson(sealing, recordSchema);
  const marks = sealedJson(sealing, personMarkSchema);
  const complete = (hash: string, record: Kept): Session => {
    const absoluteEndSeconds = record.createdAtSeconds + (record.process?.lifeSeconds ?? absoluteSeconds);
    const idleEndSeconds = record.process ? absoluteEndSeconds : record.lastSeenSeconds + idleSeconds;
    return {
      ...record,
      hash,
      accountKey: redisKeys.account(record.client, record.account.homeAccountId),
      idleEndSeconds,
      absoluteEndSeconds,
      expiresAtSeconds: Math.min(idleEndSeconds, absoluteEndSeconds),
    };
  };
  const toOpenSession = ({ hash, expiresAtSeconds, createdAtSeconds }: Session): OpenSession => ({
    sessionHash: hash,
    expiresAtSeconds,
    createdAtSeconds,
  });
  const seal = (session: Session & { ending?: End }, key: string) =>
    records.seal({ ...session, index: redisKeys.fingerprint }, key);
  const unseal = (hash: string, sealed: Buffer | undefined) => {
    const opened = records.open(sealed, redisKeys.session(hash));
    if (!opened) return undefined;
    const { index, ending, ...record } = opened.value;
    // A former index key named its account: the session ended with that key.
    const isNamed = index === undefined || index === redisKeys.fingerprint;
    return isNamed ? { session: complete(hash, record), ending, old: opened.old } : undefined;
  };

  return {
    complete,
    toOpenSession,
    seal,
    unseal,
    sealPerson: marks.seal,
    unsealPerson: (sealed: Buffer | undefined, key: string) => marks.open(sealed, key)?.value,
  };
}

export type SessionRecords = ReturnType<typeof createSessionRecords>;
