import { Fault } from '@onbehalf/node/core/fault';
import { isManyTenants } from '@onbehalf/node/core/keys/authority';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { unverifiedClaims } from '../clients/callers.ts';
import type { Client } from '../clients/clients.ts';
import { type RedisKeys, sha256 } from '../store/redis-keys.ts';

/** The claims that an access token needs to be exchanged on behalf of its user; Entra checks the signature. */
const claimsSchema = z.object({
  aud: z.string(),
  exp: z.number(),
  iat: z.number(),
  tid: z.guid(),
  oid: z.string().min(1),
  scp: z.string().min(1),
  idtyp: z.literal('user').optional(),
});

/** What follows from the text of an assertion and the names of a client and its agent, and from nothing else. */
export type ParsedAssertion = {
  claims: z.output<typeof claimsSchema>;
  /** The Redis key of its partition. */
  key: string;
  throttleKey: string;
};

const most = 1_000;

/**
 * Parses and hashes an assertion once: an API shows the same one with each request of a user, and both cost as much as
 * the rest of a hit. Only pure functions of the text are remembered, under its digest: whether it is good now is asked
 * anew each time, here and by the tombstones.
 */
export class Assertions {
  readonly #redisKeys: RedisKeys;
  readonly #nowMs: () => number;
  /** By size, for by `max` the room for all of them would be taken at once. */
  readonly #parsed = new LRUCache<string, ParsedAssertion>({ maxSize: most, sizeCalculation: () => 1 });

  constructor({ redisKeys, nowMs }: { redisKeys: RedisKeys; nowMs: () => number }) {
    this.#redisKeys = redisKeys;
    this.#nowMs = nowMs;
  }

  /** A user's access token for this client. @throws Fault `invalid_grant`. */
  parse(client: Client, token: string, ...agent: string[]): ParsedAssertion {
    const name = [client.name, sha256(token), ...agent].join(' ');
    const known = this.#parsed.get(name);
    const parsed = known ?? readAssertion(this.#redisKeys, client, token, ...agent);
    const { aud, exp, tid } = parsed.claims;
    if (aud !== client.clientId) throw new Fault('invalid_grant', 'The assertion is for another audience.');
    if (exp * 1_000 <= this.#nowMs()) {
      this.#parsed.delete(name);
      throw new Fault('invalid_grant', 'The assertion has expired.');
    }
    if (!isManyTenants(client.tenantId) && tid !== client.tenantId) {
      throw new Fault('invalid_grant', 'The assertion is from another tenant.');
    }
    if (!known) this.#parsed.set(name, parsed);
    return parsed;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#parsed.size;
  }
}

/** Parses and hashes an assertion. Whether it is good for the client is not asked. @throws Fault `invalid_grant`. */
export function readAssertion(
  redisKeys: RedisKeys,
  { name }: Client,
  token: string,
  ...agent: string[]
): ParsedAssertion {
  const claims = claimsSchema.safeParse(unverifiedClaims(token)).data;
  if (!claims) throw new Fault('invalid_grant', "The assertion is not a user's access token.");
  const throttleKey = redisKeys.oboThrottleKey(name, claims.tid, claims.oid, ...agent);
  return { claims, key: redisKeys.obo(name, token, ...agent), throttleKey };
}
