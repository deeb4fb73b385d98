import { z } from 'zod';
import type { Names } from './names.ts';
import type { Sealing } from './sealing.ts';
import type { OpenSession } from './store.ts';

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
});

/** What the broker knows of a sign-in. */
export type Session = z.output<typeof recordSchema> & {
  hash: string;
  /** The key of its account partition. */
  accountKey: string;
  idleEndSeconds: number;
  absoluteEndSeconds: number;
};

type Deps = { names: Names; sealing: Sealing; idleSeconds: number; absoluteSeconds: number };

/** Session records as the store holds them, sealed under the hash of their token, and as the broker reads them. */
export function createSessionRecords({ names, sealing, idleSeconds, absoluteSeconds }: Deps) {
  const complete = (hash: string, record: z.output<typeof recordSchema>): Session => ({
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
  const seal = (session: Session, key: string) => sealing.seal(JSON.stringify(recordSchema.parse(session)), key);
  const unseal = (hash: string, sealed: Buffer | undefined) => {
    const opened = sealed && sealing.open(sealed, names.session(hash));
    return (
      opened && {
        session: complete(hash, recordSchema.parse(JSON.parse(opened.plaintext.toString()))),
        old: opened.old,
      }
    );
  };

  return { complete, endOf, openSessionOf, seal, unseal };
}

export type SessionRecords = ReturnType<typeof createSessionRecords>;
