import { timingSafeEqual } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createMounted, trimmed } from '@onbehalf/node/core/mounted-file';
import type { Limit } from '@onbehalf/node/core/network/rate-limit';
import { errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { callersClockToleranceSeconds, ownAssertionLifeSeconds } from '../lifetimes.ts';
import { sha256 } from '../store/redis-keys.ts';
import { assertionAlgorithms, unverifiedClaims } from './callers.ts';
import type { Authentication, Client, Clients } from './clients.ts';
import { parsePublicKeys } from './public-keys.ts';

type Options = {
  clients: () => Clients;
  /** The broker's own URLs: one of them has to be the audience of an assertion. */
  audiences: string[];
  /** The rate of attempts per address and client, counted before each attempt is verified. */
  attempts: Limit;
  logger: Logger;
  nowMs?: () => number;
};

/** Reads a mounted file; undefined if its content was never usable. */
type Source<T> = () => Promise<T | undefined>;
type Sources = { secrets: Source<Buffer>[]; keys: Source<JWTVerifyGetKey>[] };
/** The keys that verified an assertion and their file; the expiry of the assertion, in seconds. */
type SignedBy = { read: Source<JWTVerifyGetKey>; keys: JWTVerifyGetKey; exp: number };
type Verified = { client: Client; by: SignedBy; expiresAtMs: number };

/**
 * Authenticates clients without a ServiceAccount, as `authentication` in their configuration says: by a secret
 * (RFC 6749 section 2.3.1) or by a JWT that they sign (RFC 7523 section 2.2). An assertion is valid for ten minutes at
 * most and may be used until it expires, like that of a ServiceAccount, since libraries reuse theirs.
 */
export class ClientAuthentication {
  readonly #clients: () => Clients;
  readonly #audiences: string[];
  readonly #attempts: Limit;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #sources = new WeakMap<Client, Sources>();
  readonly #verified = new LRUCache<string, Verified>({ max: 1_000 });

  constructor({ clients, audiences, attempts, logger, nowMs = Date.now }: Options) {
    this.#clients = clients;
    this.#audiences = audiences;
    this.#attempts = attempts;
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  /** The clients with this name or client id and one of these secrets. @throws Fault `too_many_requests`. */
  async bySecret(id: string, secrets: string[], address: string): Promise<Client[]> {
    const found: Client[] = [];
    for (const client of this.#findCandidates(id, 'client_secret')) {
      this.#attempts.take(`${address} ${client.name}`);
      if (await this.#hasSecret(client, secrets)) found.push(client);
    }
    return found;
  }

  /**
   * The clients whose key signed this assertion; undefined if its issuer is no client with a key of its own.
   * @throws Fault `too_many_requests`.
   */
  async byAssertion(assertion: string, address: string): Promise<Client[] | undefined> {
    const digest = sha256(assertion);
    const known = this.#verified.get(digest);
    if (known && (await this.#isCurrent(known))) return [known.client];
    const id = String(unverifiedClaims(assertion)?.iss);
    const candidates = this.#findCandidates(id, 'private_key_jwt');
    if (candidates.length === 0) return undefined;
    const found: Client[] = [];
    for (const client of candidates) {
      this.#attempts.take(`${address} ${client.name}`);
      const by = await this.#verify(client, id, assertion);
      const latest = this.#nowMs() / 1_000 + ownAssertionLifeSeconds + callersClockToleranceSeconds;
      if (!by || by.exp > latest) continue;
      found.push(client);
      if (candidates.length === 1) {
        this.#verified.set(digest, { client, by, expiresAtMs: by.exp * 1_000 });
      }
    }
    return found;
  }

  #findCandidates(id: string, type: Authentication['type']): Client[] {
    const named = [...this.#clients().byName.values()].filter(
      ({ name, clientId }) => name === id || clientId === id.toLowerCase(),
    );
    return named.filter(({ authentication }) => authentication?.some((one) => one.type === type));
  }

  async #hasSecret(client: Client, secrets: string[]): Promise<boolean> {
    const known = await Promise.all(this.#openSources(client).secrets.map((read) => read()));
    const given = secrets.map(digest);
    // Every pair is compared, so that the time it takes reveals nothing.
    const equal = known.flatMap((one) => (one ? given.map((other) => timingSafeEqual(one, other)) : []));
    return equal.includes(true);
  }

  /** Undefined if no key of the client signed this assertion. */
  async #verify(client: Client, id: string, assertion: string): Promise<SignedBy | undefined> {
    const options: JWTVerifyOptions = {
      ...{ issuer: id, subject: id, audience: this.#audiences, requiredClaims: ['exp'] },
      ...{ algorithms: assertionAlgorithms, clockTolerance: callersClockToleranceSeconds },
      currentDate: new Date(this.#nowMs()),
    };
    for (const read of this.#openSources(client).keys) {
      const keys = await read();
      const exp = keys && (await verifyExpiry(keys, assertion, options));
      if (keys && exp !== undefined) return { read, keys, exp };
    }
    return undefined;
  }

  /** False if the assertion has expired, or its client or keys have changed since: then they are other objects. */
  async #isCurrent({ client, by, expiresAtMs }: Verified): Promise<boolean> {
    if (expiresAtMs <= this.#nowMs() || this.#clients().byName.get(client.name) !== client) return false;
    return (await by.read()) === by.keys;
  }

  #openSources(client: Client): Sources {
    const open = this.#sources.get(client);
    if (open) return open;
    const opened = {
      secrets: this.#openFiles(client, 'client_secret', digest),
      keys: this.#openFiles(client, 'private_key_jwt', parsePublicKeys),
    };
    this.#sources.set(client, opened);
    return opened;
  }

  #openFiles<T>(client: Client, type: Authentication['type'], parse: (text: string) => T): Source<T>[] {
    const onBroken = (error: unknown) =>
      this.#logger.error({ event: 'authentication.unusable', client: client.name, authentication: type, error });
    const files = (client.authentication ?? []).filter((one) => one.type === type).map(({ file }) => file);
    return files.map((file) => {
      const options = { onBroken, nowMs: this.#nowMs };
      const read = createMounted([file], (content) => parse(trimmed(content)), options);
      return () => read().catch(() => undefined);
    });
  }
}

const digest = (text: string): Buffer => Buffer.from(sha256(text), 'base64url');

/** The `exp` of an assertion; undefined if none of these keys signed it. Several keys may match its header. */
async function verifyExpiry(
  keys: JWTVerifyGetKey,
  assertion: string,
  options: JWTVerifyOptions,
): Promise<number | undefined> {
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
