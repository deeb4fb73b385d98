import { Fault } from '@onbehalf/node/core/fault';
import { cachedKeys } from '@onbehalf/node/core/keys/kept-keys';
import { decodeJwt, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { parseBasic } from '../input/basic.ts';
import type { Form } from '../input/form.ts';
import {
  callersClockToleranceSeconds,
  clusterKeysCooldownMs,
  clusterKeysMaxAgeMs,
  clusterKeysStaleMs,
} from '../lifetimes.ts';
import { sha256 } from '../store/redis-keys.ts';
import type { Client, Clients } from './clients.ts';
import { clusterIssuer, type IssuerOptions } from './cluster-issuer.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Algorithms with which clusters sign ServiceAccount tokens. */
export const assertionAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'PS256'];

type CallersOptions = {
  issuer: string;
  audience: string;
  keys: JWTVerifyGetKey;
  clients: () => Clients;
  /** For clients with an `authentication` of their own; none by default. */
  own?: OwnAuthentication | undefined;
  nowMs?: () => number;
};

/** Authentication by a secret or key of the client itself. Each method returns the clients that were authenticated. */
type OwnAuthentication = {
  bySecret(id: string, secrets: string[], address: string): Promise<Client[]>;
  /** Undefined if the assertion names no client with a key of its own. */
  byAssertion(assertion: string, address: string): Promise<Client[] | undefined>;
};
const noOwnAuthentication: OwnAuthentication = { bySecret: async () => [], byAssertion: async () => undefined };

const claimsSchema = z.object({ sub: z.string(), exp: z.number() });

/**
 * RFC 7523 client authentication by a Kubernetes ServiceAccount token. Two deviations: `sub` is the ServiceAccount,
 * which the configuration maps to clients, and an assertion may be used until it expires. Clients with `authentication`
 * in their configuration use a secret or key of their own instead.
 * A verified assertion is cached until it expires, and no longer than the keys that verified it: verifying costs as
 * much as serving ten cached tokens.
 */
export class Callers {
  readonly #issuer: string;
  readonly #audience: string;
  readonly #keys: JWTVerifyGetKey;
  readonly #clients: () => Clients;
  readonly #own: OwnAuthentication;
  readonly #nowMs: () => number;
  readonly #verified = new LRUCache<string, { subject: string; expiresAtMs: number }>({ max: 1_000 });

  constructor({ issuer, audience, keys, clients, own = noOwnAuthentication, nowMs = Date.now }: CallersOptions) {
    this.#issuer = issuer;
    this.#audience = audience;
    this.#keys = keys;
    this.#clients = clients;
    this.#own = own;
    this.#nowMs = nowMs;
  }

  /**
   * Returns the client that this caller may act as. `address` is the IP address of the caller.
   * @throws Fault `invalid_client`, `invalid_request`, `too_many_requests`, `unavailable`.
   */
  async authenticate(form: Form, authorization: string | undefined, address = ''): Promise<Client> {
    const allowed = await this.#findAllowed(form, authorization, address);
    const id = form.client_id;
    const matching = id === undefined ? allowed : allowed.filter((c) => c.name === id || c.clientId === id);
    const [client, another] = matching;
    if (!client) throw refuse('This caller may not use that client, or its credential is not valid.');
    if (another) throw new Fault('invalid_request', 'This caller has several clients: send client_id.');
    return client;
  }

  /** At once for an assertion that is known, as nearly all are: each promise on the way of a hit costs. */
  #findAllowed(form: Form, authorization: string | undefined, address: string): Client[] | Promise<Client[]> {
    const { client_assertion, client_assertion_type, client_id, client_secret } = form;
    // RFC 6749 section 2.3: a client must not use more than one method at once.
    const assertion = client_assertion ?? client_assertion_type;
    if ([authorization, client_secret, assertion].filter((one) => one !== undefined).length > 1) {
      throw new Fault('invalid_request', 'A client authenticates by one method at a time.');
    }
    if (authorization !== undefined) {
      const basic = parseBasic(authorization);
      return basic ? this.#own.bySecret(basic.id, basic.secrets, address) : [];
    }
    if (client_secret !== undefined) return this.#own.bySecret(client_id ?? '', [client_secret], address);
    if (client_assertion === undefined) throw refuse('A client_assertion is needed.');
    if (client_assertion_type !== assertionType) throw refuse(`client_assertion_type must be ${assertionType}.`);
    return this.#byAssertion(client_assertion, address);
  }

  #byAssertion(assertion: string, address: string): Client[] | Promise<Client[]> {
    // A digest costs less than to look a text of 1 KB up, and keeps none of it.
    const digest = sha256(assertion);
    const known = this.#findVerified(digest);
    return known === undefined ? this.#verifyNew(assertion, digest, address) : this.#findOfSubject(known);
  }

  async #verifyNew(assertion: string, digest: string, address: string): Promise<Client[]> {
    const ownClients = await this.#own.byAssertion(assertion, address);
    return ownClients ?? this.#findOfSubject(await this.#verifySubject(assertion, digest));
  }

  #findOfSubject(subject: string): Client[] {
    return this.#clients().bySubject.get(subject) ?? [];
  }

  #findVerified(digest: string): string | undefined {
    const known = this.#verified.get(digest);
    return known && known.expiresAtMs > this.#nowMs() ? known.subject : undefined;
  }

  async #verifySubject(assertion: string, digest: string): Promise<string> {
    const { sub, exp } = await this.#verify(assertion);
    const expiresAtMs = Math.min(exp * 1_000, this.#nowMs() + clusterKeysMaxAgeMs);
    this.#verified.set(digest, { subject: sub, expiresAtMs });
    return sub;
  }

  async #verify(assertion: string): Promise<z.output<typeof claimsSchema>> {
    try {
      const { payload } = await jwtVerify(assertion, this.#keys, {
        issuer: this.#issuer,
        audience: this.#audience,
        algorithms: assertionAlgorithms,
        currentDate: new Date(this.#nowMs()),
        clockTolerance: callersClockToleranceSeconds,
      });
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) throw new errors.JWTInvalid('sub is not a string');
      return claims.data;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refuse('The client assertion is not valid.', error);
      // jose throws JOSEErrors for invalid tokens; other errors come from fetching the keys.
      const details = { cause: error, retryAfterSeconds: 2 };
      throw new Fault('unavailable', 'The keys of the cluster cannot be fetched.', details);
    }
  }
}

type ClusterKeysOptions = IssuerOptions & { nowMs?: () => number; onFetch?: (error: unknown) => void };

/** The cluster's signing keys, fetched at first use. If they cannot be fetched again, they stay valid for a day. */
export function clusterKeys({ nowMs = Date.now, onFetch = () => {}, ...issuer }: ClusterKeysOptions): JWTVerifyGetKey {
  return cachedKeys(clusterIssuer(issuer), {
    ...{ maxAgeMs: clusterKeysMaxAgeMs, staleMs: clusterKeysStaleMs, cooldownMs: clusterKeysCooldownMs },
    ...{ waits: true, nowMs, onFetch },
  });
}

/** RFC 9110 section 15.5.2 requires a challenge with every 401. There is no scheme for assertions. */
function refuse(description: string, cause?: unknown): Fault {
  return new Fault('invalid_client', description, { cause, challenge: 'Basic realm="token-broker"' });
}

/** Decodes the claims of a JWT without verifying its signature. Undefined if it is no JWT. */
export function unverifiedClaims(token: string): Record<string, unknown> | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}
