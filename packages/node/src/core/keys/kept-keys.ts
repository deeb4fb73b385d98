import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { Fault } from '../fault.ts';
import { measure } from '../telemetry/measures.ts';
import { inSpan } from '../telemetry/tracing.ts';

export type KeyOptions = {
  /** A key that is not known is looked for at most this often, however many tokens name one. */
  cooldownMs?: number;
  nowMs?: () => number;
};

type CacheOptions = KeyOptions & {
  /** Keys older than this are fetched again. */
  maxAgeMs: number;
  /** How long after their last fetch known keys stay good while no other can be had; unset: for ever. */
  staleMs?: number;
  /** Waits for the new keys where the old are too old, so that a withdrawn key verifies nothing once more. */
  waits?: boolean;
  /** Is told how each fetch ended: the error, or undefined. */
  onFetch?: (error: unknown) => void;
};

/** After a failed fetch the next one waits this long, so that an outage at an issuer is not a flood from us. */
const retryMs = 2_000;

/** An issuer's response that is no set of keys; `code` is its status, e.g. `HTTP_403`. */
export class NoKeys extends Error {
  override name = 'NoKeys';
  readonly code: string;

  constructor(code: string) {
    super('the issuer gives no keys');
    this.code = code;
  }
}

/** RFC 7517 section 5. A set without a key that could verify a token is no response: it would undo the keys at hand. */
const keySetSchema = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string() }))
    .refine((keys) => keys.some(({ kty }) => /^(RSA|EC|OKP)$/.test(kty))),
});

/**
 * The keys that `fetchKeys` gives as a JWKS, kept. They stay good while no others can be had, for `staleMs` at most; a
 * fetched set replaces them whole, so that a withdrawn key is gone. One fetch at a time.
 * @throws Fault `unavailable` if the key may exist but cannot be fetched; jose's error if there is no such key.
 */
export function cachedKeys(fetchKeys: () => Promise<unknown>, options: CacheOptions): JWTVerifyGetKey {
  const { cooldownMs = 30_000, nowMs = Date.now, staleMs = Number.POSITIVE_INFINITY, waits, onFetch } = options;
  let known: { keys: JWTVerifyGetKey; atMs: number } | undefined;
  let failed: { fault: Fault; atMs: number } | undefined;
  let fetching: Promise<void> | undefined;

  async function fetchNow(): Promise<void> {
    try {
      const set = keySetSchema.parse(await inSpan('jwks.refresh', fetchKeys));
      known = { keys: createLocalJWKSet(set as JSONWebKeySet), atMs: nowMs() };
      failed = undefined;
      measure('onbehalf.jwks.refresh', 1, { 'onbehalf.result': 'ok' });
      onFetch?.(undefined);
    } catch (cause) {
      measure('onbehalf.jwks.refresh', 1, { 'onbehalf.result': 'failed' });
      onFetch?.(cause);
      const fault = new Fault('unavailable', 'The signing keys cannot be fetched.', { cause, retryAfterSeconds: 5 });
      failed = { fault, atMs: nowMs() };
      throw fault;
    }
  }

  /** Fetches, or waits for a fetch under way; not if one failed less than `restMs` ago. */
  async function load(restMs: number): Promise<void> {
    if (!fetching && failed && nowMs() - failed.atMs < restMs) throw failed.fault;
    fetching ??= fetchNow().finally(() => {
      fetching = undefined;
    });
    await fetching;
  }

  async function refresh(): Promise<void> {
    const ageMs = known ? nowMs() - known.atMs : Number.POSITIVE_INFINITY;
    if (ageMs <= options.maxAgeMs) return;
    const loaded = load(Math.min(retryMs, cooldownMs));
    if (ageMs > staleMs || !known) return await loaded;
    // A failure is no news while the keys at hand are good; who waited for one has shown that waiting is no use.
    const settled = loaded.catch(() => undefined);
    if (waits && !failed) await settled;
  }

  return async (header, token) => {
    await refresh();
    const { keys, atMs } = known as NonNullable<typeof known>;
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || nowMs() - atMs < cooldownMs) throw error;
      await load(cooldownMs);
      return await (known ?? { keys }).keys(header, token);
    }
  };
}
