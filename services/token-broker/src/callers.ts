import { Fault } from '@onbehalf/chassis/fault';
import { cachedKeys } from '@onbehalf/chassis/signing-keys';
import { decodeJwt, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Client, Clients } from './clients.ts';
import { clusterIssuer, type IssuerOptions } from './cluster-issuer.ts';
import { detached } from './detached.ts';
import type { Form } from './form.ts';
import {
  callersClockToleranceSeconds,
  clusterKeysCooldownMs,
  clusterKeysMaxAgeMs,
  clusterKeysStaleMs,
} from './lifetimes.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** What clusters sign ServiceAccount tokens with. */
export const assertionAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'PS256'];

type CallersOptions = {
  issuer: string;
  audience: string;
  keys: JWTVerifyGetKey;
  clients: () => Clients;
  nowMs?: () => number;
};

const claimsSchema = z.object({ sub: z.string(), exp: z.number() });

/**
 * RFC 7523 client authentication by a Kubernetes ServiceAccount token. Two stated deviations: `sub` is the
 * ServiceAccount, mapped to a client by configuration, and an assertion may be used until it expires.
 * The verdict is remembered until the assertion expires, and no longer than the keys it rests on: a verification costs
 * as much as ten cached tokens.
 */
export function createCallers({ issuer, audience, keys, clients, nowMs = Date.now }: CallersOptions) {
  const verdicts = new LRUCache<string, { subject: string; expiresAtMs: number }>({ max: 1_000 });

  async function subjectOf(assertion: string): Promise<string> {
    const known = verdicts.get(assertion);
    if (known && known.expiresAtMs > nowMs()) return known.subject;
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
        requiredClaims: ['sub', 'exp'],
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

  return {
    /** The client this caller may act as. @throws Fault `invalid_client`, `invalid_request`, `unavailable`. */
    async authenticate(form: Form, authorization: string | undefined): Promise<Client> {
      const assertion = form.client_assertion;
      // RFC 6749 section 2.3: a client must not use more than one method at once.
      if ([authorization, form.client_secret, assertion].filter((one) => one !== undefined).length > 1) {
        throw new Fault('invalid_request', 'A client authenticates by one method at a time.');
      }
      if (assertion === undefined) throw refuse('A client_assertion is needed.');
      if (form.client_assertion_type !== assertionType) throw refuse(`client_assertion_type must be ${assertionType}.`);
      const allowed = clients().bySubject.get(await subjectOf(assertion)) ?? [];
      const asked = form.client_id;
      const matching = asked === undefined ? allowed : allowed.filter((c) => c.name === asked || c.clientId === asked);
      const [client, another] = matching;
      if (!client) throw refuse('This ServiceAccount may not use that client.');
      if (another) throw new Fault('invalid_request', 'This ServiceAccount has several clients: send client_id.');
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
  return !(error instanceof errors.JOSEError) || error instanceof errors.JWKSInvalid;
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
