import { createLocalJWKSet, errors, type FlattenedJWSInput, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { discoveryDocument, discoveryUrl, isManyTenants, issuersOf } from './authority.ts';
import { isSecureContext } from './config.ts';
import { Fault } from './fault.ts';
import { measure } from './measures.ts';
import { inSpan } from './tracing.ts';

type KeyOptions = {
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

/** Entra announces a key well before it signs with it, and withdraws one in an emergency: Learn says to look daily. */
const maxAgeMs = 86_400_000;
/** After a failed fetch the next one waits this long, so that an outage at an issuer is not a flood from us. */
const retryMs = 2_000;
const fetchTimeoutMs = 3_000;

/** Where tokens come from: their signing keys, and the issuer of a tenant's tokens once its keys are known. */
export type Authority = { keys: JWTVerifyGetKey; issuerOf(tid: string): string | undefined };

/**
 * An authority for the served tenants, `organizations` or `common` among them. Issuer and keys of each are where its
 * discovery document says, and a token can only be signed by a key of the tenant it names. A token of any other tenant
 * costs no call. OpenID Connect Discovery 1.0.
 */
export function remoteAuthority(host: string, tenants: readonly string[], options?: KeyOptions): Authority {
  const issuers = new Map<string, (tid: string) => string>();
  const fetchKeys = async (tenant: string) => {
    const document = discoveryDocument.parse(await fetchJson(discoveryUrl(host, tenant)));
    const issuer = issuersOf(document.issuer, tenant);
    const keys = await fetchJson(document.jwks_uri);
    issuers.set(tenant, issuer);
    return keys;
  };
  const keysOf = (tenant: string) => cachedKeys(() => fetchKeys(tenant), { maxAgeMs, ...options });
  const byTenant = new Map(tenants.map((tenant) => [tenant, keysOf(tenant)]));
  const many = tenants.find(isManyTenants) ?? '';
  const servedBy = (tid: string) => (byTenant.has(tid) ? tid : many);
  return {
    keys: (header, token) => {
      const keys = byTenant.get(servedBy(tenantOf(token)));
      if (!keys) throw new errors.JWKSNoMatchingKey();
      return keys(header, token);
    },
    issuerOf: (tid) => issuers.get(servedBy(tid))?.(tid),
  };
}

/** An issuer's answer that is no set of keys; `code` is its status, e.g. `HTTP_403`. */
export class NoKeys extends Error {
  override name = 'NoKeys';
  readonly code: string;

  constructor(code: string) {
    super('the issuer gives no keys');
    this.code = code;
  }
}

/** RFC 7517 section 5. A set without a key that could verify a token is no answer: it would undo the keys at hand. */
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

async function fetchJson(url: string): Promise<unknown> {
  // Whoever is on the way to a key address could sign as anybody; a discovery document may name any.
  if (!isSecureContext(new URL(url))) throw new NoKeys('PLAIN_HTTP');
  const signal = AbortSignal.timeout(fetchTimeoutMs);
  const response = await fetch(url, { redirect: 'manual', signal, headers: { Accept: 'application/json' } });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new NoKeys(`HTTP_${response.status}`);
  }
  return await response.json();
}

/** The tenant that a token says it is from; believed only once its signature is checked. */
function tenantOf({ payload }: FlattenedJWSInput): string {
  try {
    const { tid } = JSON.parse(Buffer.from(String(payload), 'base64url').toString('utf8'));
    return String(tid);
  } catch {
    return '';
  }
}
