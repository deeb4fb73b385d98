import { timingSafeEqual } from 'node:crypto';
import { createMounted, trimmed } from '@onbehalf/chassis/config/mounted-file';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { detached } from '../input/detached.ts';
import { callersClockToleranceSeconds, ownAssertionLifeSeconds } from '../lifetimes.ts';
import { sha256 } from '../store/redis-keys.ts';
import { assertionAlgorithms, unverifiedClaims } from './callers.ts';
import type { Authentication, Client, Clients } from './clients.ts';
import { parsePublicKeys } from './public-keys.ts';
import type { Limit } from './rate-limit.ts';

type Options = {
  clients: () => Clients;
  /** The broker's own URLs: an assertion has to be meant for one of them. */
  audiences: string[];
  /** Proofs that one address may offer for one client, taken before each is looked at. */
  attempts: Limit;
  logger: Logger;
  nowMs?: () => number;
};

/** What a mounted file holds; undefined while it was never good. */
type Source<T> = () => Promise<T | undefined>;
/** Keys that verified an assertion, where they came from, and when it ends, in seconds. */
type SignedBy = { read: Source<JWTVerifyGetKey>; keys: JWTVerifyGetKey; exp: number };
type Sources = { secrets: Source<Buffer>[]; keys: Source<JWTVerifyGetKey>[] };

/**
 * Clients that prove themselves without a ServiceAccount, each as its `authentication` says: by a secret (RFC 6749
 * section 2.3.1) or a JWT of their own key (RFC 7523 section 2.2). An assertion lives ten minutes at most and may be
 * used until its end, as that of a ServiceAccount; libraries reuse theirs.
 */
export function createClientAuthentication({ clients, audiences, attempts, logger, nowMs = Date.now }: Options) {
  const opened = new WeakMap<Client, Sources>();
  const verdicts = new LRUCache<string, { client: Client; by: SignedBy; expiresAtMs: number }>({ max: 1_000 });

  function sourcesOf(client: Client): Sources {
    const known = opened.get(client);
    if (known) return known;
    const open = <T>(type: Authentication['type'], parse: (text: string) => T): Source<T>[] =>
      (client.authentication ?? [])
        .filter((one) => one.type === type)
        .map(({ file }) => {
          const onBroken = (error: unknown) =>
            logger.error({ event: 'authentication.unusable', client: client.name, authentication: type, error });
          const read = createMounted([file], (content) => parse(trimmed(content)), { onBroken, nowMs });
          return () => read().catch(() => undefined);
        });
    const made = { secrets: open('client_secret', digest), keys: open('private_key_jwt', parsePublicKeys) };
    opened.set(client, made);
    return made;
  }

  /** The clients of this name, or client id, that prove themselves like this. */
  function candidates(id: string, type: Authentication['type']): Client[] {
    const { byName } = clients();
    const named = [...byName.values()].filter(({ name, clientId }) => name === id || clientId === id.toLowerCase());
    return named.filter(({ authentication }) => authentication?.some((one) => one.type === type));
  }

  async function hasSecret(client: Client, secrets: string[]): Promise<boolean> {
    const known = await Promise.all(sourcesOf(client).secrets.map((read) => read()));
    const given = secrets.map(digest);
    // Every pair is compared: how long that takes tells nothing.
    const equal = known.flatMap((one) => (one ? given.map((other) => timingSafeEqual(one, other)) : []));
    return equal.includes(true);
  }

  /** Undefined if none of the client's keys signed this assertion. */
  async function verify(client: Client, id: string, assertion: string): Promise<SignedBy | undefined> {
    const options: JWTVerifyOptions = {
      ...{ issuer: id, subject: id, audience: audiences, algorithms: assertionAlgorithms, requiredClaims: ['exp'] },
      ...{ currentDate: new Date(nowMs()), clockTolerance: callersClockToleranceSeconds },
    };
    for (const read of sourcesOf(client).keys) {
      const keys = await read();
      const exp = keys && (await endOf(keys, assertion, options));
      if (keys && exp !== undefined) return { read, keys, exp };
    }
    return undefined;
  }

  /** A verdict stands until the assertion ends, or its client or keys are configured anew: then they are other objects. */
  async function stands({ client, by, expiresAtMs }: { client: Client; by: SignedBy; expiresAtMs: number }) {
    if (expiresAtMs <= nowMs() || clients().byName.get(client.name) !== client) return false;
    return (await by.read()) === by.keys;
  }

  return {
    /** The clients of this name, or client id, with one of these secrets. @throws Fault `too_many_requests`. */
    async bySecret(id: string, secrets: string[], address: string): Promise<Client[]> {
      const found: Client[] = [];
      for (const client of candidates(id, 'client_secret')) {
        attempts.take(`${address} ${client.name}`);
        if (await hasSecret(client, secrets)) found.push(client);
      }
      return found;
    },

    /**
     * The clients whose key signed this assertion; undefined if it does not even name a client with a key of its own.
     * @throws Fault `too_many_requests`.
     */
    async byAssertion(assertion: string, address: string): Promise<Client[] | undefined> {
      const known = verdicts.get(assertion);
      if (known && (await stands(known))) return [known.client];
      const id = String(unverifiedClaims(assertion)?.iss);
      const all = candidates(id, 'private_key_jwt');
      if (all.length === 0) return undefined;
      const found: Client[] = [];
      for (const client of all) {
        attempts.take(`${address} ${client.name}`);
        const by = await verify(client, id, assertion);
        const longest = nowMs() / 1_000 + ownAssertionLifeSeconds + callersClockToleranceSeconds;
        if (!by || by.exp > longest) continue;
        found.push(client);
        if (all.length === 1) verdicts.set(detached(assertion), { client, by, expiresAtMs: by.exp * 1_000 });
      }
      return found;
    },
  };
}

export type ClientAuthentication = ReturnType<typeof createClientAuthentication>;

const digest = (text: string): Buffer => Buffer.from(sha256(text), 'base64url');

/** The `exp` of an assertion that one of these keys signed; they may be several that fit its header. */
async function endOf(keys: JWTVerifyGetKey, assertion: string, options: JWTVerifyOptions): Promise<number | undefined> {
  try {
    return (await jwtVerify(assertion, keys, options)).payload.exp;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return undefined;
    for await (const key of error) {
      const exp = await jwtVerify(assertion, key, options).then(
        ({ payload }) => payload.exp,
        () => undefined,
      );
      if (exp !== undefined) return exp;
    }
    return undefined;
  }
}
