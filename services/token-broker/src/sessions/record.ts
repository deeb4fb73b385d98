import { z } from 'zod';
import type { Names } from '../store/redis-keys.ts';
import type { Sealing } from '../store/sealing.ts';
import type { OpenSession } from '../store/store.ts';

const endSchema = z.object({
  id: z.string(),
  sinceSeconds: z.number(),
  /** The name of the client that asked for it. */
  client: z.string(),
  /** Why, as the metric says it; without a reason nobody is told. */
  reason: z.enum(['sign_out', 'front_channel', 'operator', 'revoked']).optional(),
  /** Of one session, or of several. */
  alone: z.boolean(),
  aadsts: z.array(z.number()).optional(),
  /** The hash of the session whose mark goes last; absent if the person's own mark does. */
  lead: z.string().optional(),
  /** The hashes of all the sessions that end. */
  sessions: z.array(z.string()),
  /** The keys of the account partitions that they are in. */
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
  /** The fingerprint of the index key that names its account. */
  index: z.string(),
  /** This is a mark: the session has ended, and this has yet to be done. */
  ending: endSchema.optional(),
});

const personMarkSchema = z.object({ homeAccountId: z.string(), ending: endSchema });

type Kept = Omit<z.output<typeof recordSchema>, 'ending' | 'index'>;

/** What the broker knows of a sign-in. */
export type Session = Kept & {
  hash: string;
  /** The key of its account partition. */
  accountKey: string;
  idleEndSeconds: number;
  absoluteEndSeconds: number;
};

type Deps = { names: Names; sealing: Sealing; idleSeconds: number; absoluteSeconds: number };

/**
 * Session records as the store holds them, sealed under the hash of their token, and as the broker reads them; and the
 * marks that stand in their place while they end.
 */
export function createSessionRecords({ names, sealing, idleSeconds, absoluteSeconds }: Deps) {
  const complete = (hash: string, record: Kept): Session => ({
    ...record,
    hash,
    accountKey: names.account(record.client, record.account.homeAccountId),
    idleEndSeconds: record.lastSeenSeconds + idleSeconds,
    absoluteEndSeconds: record.createdAtSeconds + absoluteSeconds,
  });
  const endOf = (session: Session) => Math.min(session.idleEndSeconds, session.absoluteEndSeconds);
  const openSessionOf = (session: Session): OpenSession => ({
    sessionHash: session.hash,
    expiresAtSeconds: endOf(session),
    createdAtSeconds: session.createdAtSeconds,
  });
  const seal = (session: Session & { ending?: End }, key: string) =>
    sealing.seal(JSON.stringify(recordSchema.parse({ ...session, index: names.fingerprint })), key);
  const unseal = (hash: string, sealed: Buffer | undefined) => {
    const opened = sealed && sealing.open(sealed, names.session(hash));
    if (!opened) return undefined;
    const { index, ending, ...record } = recordSchema.parse(JSON.parse(opened.plaintext.toString()));
    // Another index key named its account: the session ended with that key.
    return index === names.fingerprint ? { session: complete(hash, record), ending, old: opened.old } : undefined;
  };

  return {
    complete,
    endOf,
    openSessionOf,
    seal,
    unseal,
    sealPerson: (mark: z.output<typeof personMarkSchema>, key: string) => sealing.seal(JSON.stringify(mark), key),
    unsealPerson: (sealed: Buffer | undefined, key: string) => {
      const opened = sealed && sealing.open(sealed, key);
      return opened && personMarkSchema.parse(JSON.parse(opened.plaintext.toString()));
    },
  };
}

export type SessionRecords = ReturnType<typeof createSessionRecords>;
