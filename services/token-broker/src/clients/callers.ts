import { cachedKeys } from '@onbehalf/chassis/auth/kept-keys';
import { Fault } from '@onbehalf/chassis/fault';
import { decodeJwt, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { parseBasic } from '../input/basic.ts';
import { detached } from '../input/detached.ts';
import type { Form } from '../input/form.ts';
import {
  callersClockToleranceSeconds,
  clusterKeysCooldownMs,
  clusterKeysMaxAgeMs,
  clusterKeysStaleMs,
} from '../lifetimes.ts';
import type { Client, Clients } from './clients.ts';
import { clusterIssuer, type IssuerOptions } from './cluster-issuer.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** What clusters sign ServiceAccount tokens with. */
export const assertionAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'PS256'];

type CallersOptions = {
  issuer: string;
  audience: string;
  keys: JWTVerifyGetKey;
  clients: () => Clients;
  /** Clients that prove themselves without a ServiceAccount; none unless said. */
  own?: OwnProofs | undefined;
  nowMs?: () => number;
};

type OwnProofs = {
  bySecret(id: string, secrets: string[], address: string): Promise<Client[]>;
  byAssertion(assertion: string, address: string): Promise<Client[] | undefined>;
};
const noProofs: OwnProofs = { bySecret: async () => [], byAssertion: async () => undefined };

const claimsSchema = z.object({ sub: z.string(), exp: z.number() });

/**
 * RFC 7523 client authentication by a Kubernetes ServiceAccount token. Two stated deviations: `sub` is the
 * ServiceAccount, mapped to a client by configuration, and an assertion may be used until it expires. Clients that are
 * configured for it prove themselves by what is their own instead.
 * The verdict is remembered until the assertion expires, and no longer than the keys it rests on: a verification costs
 * as much as ten cached tokens.
 */
export function createCallers(options: CallersOptions) {
  const { issuer, audience, keys, clients, own = noProofs, nowMs = Date.now } = options;
  const verdicts = new LRUCache<string, { subject: string; expiresAtMs: number }>({ max: 1_000 });

  function knownSubject(assertion: string): string | undefined {
    const known = verdicts.get(assertion);
    return known && known.expiresAtMs > nowMs() ? known.subject : undefined;
  }

  async function subjectOf(assertion: string): Promise<string> {
    const { sub, exp } = await verify(assertion);
    const expiresAtMs = Math.min(exp * 1_000, nowMs() + clusterKeysMaxAgeMs);
    verdicts.set(detached(assertion), { subject: sub, expiresAtMs });
    return sub;
  }

  async function verify(assertion: string): Promise<z.output<typeof claimsSchema>> {
    try {
      const { payload } = await jwtVerify(assertion, keys, {
        issuer,
        audience,
        algorithms: assertionAlgorithms,
        currentDate: new Date(nowMs()),
        clockTolerance: callersClockToleranceSeconds,
      });
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) throw new errors.JWTInvalid('sub is not a string');
      return claims.data;
    } catch (error) {
      if (keysUnavailable(error)) {
        throw new Fault('unavailable', 'The keys of the cluster cannot be fetched.', {
          cause: error,
          retryAfterSeconds: 2,
        });
      }
      throw refuse('The client assertion is not valid.', error);
    }
  }

  /** The clients that an assertion proves, by a key of their own or by a ServiceAccount. */
  async function byAssertion(assertion: string, address: string): Promise<Client[]> {
    const known = knownSubject(assertion);
    const proven = known === undefined ? await own.byAssertion(assertion, address) : undefined;
    return proven ?? clients().bySubject.get(known ?? (await subjectOf(assertion))) ?? [];
  }

  async function proven(form: Form, authorization: string | undefined, address: string): Promise<Client[]> {
    const { client_assertion, client_assertion_type, client_id, client_secret } = form;
    // RFC 6749 section 2.3: a client must not use more than one method at once.
    const assertion = client_assertion ?? client_assertion_type;
    if ([authorization, client_secret, assertion].filter((one) => one !== undefined).length > 1) {
      throw new Fault('invalid_request', 'A client authenticates by one method at a time.');
    }
    if (authorization !== undefined) {
      const basic = parseBasic(authorization);
      return basic ? await own.bySecret(basic.id, basic.secrets, address) : [];
    }
    if (client_secret !== undefined) return await own.bySecret(client_id ?? '', [client_secret], address);
    if (client_assertion === undefined) throw refuse('A client_assertion is needed.');
    if (client_assertion_type !== assertionType) throw refuse(`client_assertion_type must be ${assertionType}.`);
    return await byAssertion(client_assertion, address);
  }

  return {
    /**
     * The client this caller may act as. `address` is the peer's.
     * @throws Fault `invalid_client`, `invalid_request`, `too_many_requests`, `unavailable`.
     */
    async authenticate(form: Form, authorization: string | undefined, address = ''): Promise<Client> {
      const allowed = await proven(form, authorization, address);
      const asked = form.client_id;
      const matching = asked === undefined ? allowed : allowed.filter((c) => c.name === asked || c.clientId === asked);
      const [client, another] = matching;
      if (!client) throw refuse('This caller may not use that client, or the proof is not valid.');
      if (another) throw new Fault('invalid_request', 'This caller has several clients: send client_id.');
      return client;
    },
  };
}

export type Callers = ReturnType<typeof createCallers>;

type ClusterKeysOptions = IssuerOptions & { nowMs?: () => number; onFetch?: (error: unknown) => void };

/** The cluster's signing keys, read at first need; those at hand stay good for a day while it gives no others. */
export function clusterKeys({ nowMs = Date.now, onFetch = () => {}, ...issuer }: ClusterKeysOptions): JWTVerifyGetKey {
  return cachedKeys(clusterIssuer(issuer), {
    ...{ maxAgeMs: clusterKeysMaxAgeMs, staleMs: clusterKeysStaleMs, cooldownMs: clusterKeysCooldownMs },
    ...{ waits: true, nowMs, onFetch },
  });
}

/** jose throws JOSEErrors for what is wrong with a token; the rest is about getting the keys. */
function keysUnavailable(error: unknown): boolean {
  return !(error instanceof errors.JOSEError);
}

/** RFC 9110 section 15.5.2 demands a challenge of every 401, and assertions have no scheme of their own. */
function refuse(description: string, cause?: unknown): Fault {
  return new Fault('invalid_client', description, { cause, challenge: 'Basic realm="token-broker"' });
}

/** Reads a JWT's claims without believing them. Undefined if it is none. */
export function unverifiedClaims(token: string): Record<string, unknown> | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}
