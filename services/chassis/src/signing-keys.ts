import { createRemoteJWKSet, errors, type FlattenedJWSInput, type JWTVerifyGetKey } from 'jose';
import { Fault } from './fault.ts';
import { measure } from './measures.ts';
import { inSpan } from './tracing.ts';

type KeyOptions = {
  /** A key that is not known is looked for at most this often, however many tokens name one. */
  cooldownMs?: number;
  nowMs?: () => number;
};

/** Entra announces a key well before it signs with it, and withdraws one in an emergency: Learn says to look daily. */
const maxAgeMs = 86_400_000;
/** After a failed fetch the next one waits this long, so that an outage at Entra is not a flood from us. */
const retryMs = 2_000;
const fetchTimeoutMs = 3_000;

/**
 * The keys of the served tenants, each tenant's from its own address: a token can only be signed by a key of the tenant
 * it names. A token of any other tenant costs no call, unless `organizations` is served: its keys are those of them all.
 */
export function remoteKeys(authorityHost: string, tenants: readonly string[], options?: KeyOptions): JWTVerifyGetKey {
  const address = (tenant: string) => new URL(`${authorityHost}/${tenant}/discovery/v2.0/keys`);
  const byTenant = new Map(tenants.map((tenant) => [tenant, remoteKeySet(address(tenant), options)]));
  return (header, token) => {
    const keys = byTenant.get(tenantOf(token)) ?? byTenant.get('organizations');
    if (!keys) throw new errors.JWKSNoMatchingKey();
    return keys(header, token);
  };
}

/**
 * The keys at one JWKS address. Known keys keep serving while the address does not answer.
 * @throws Fault `unavailable` if the key may exist but cannot be fetched; jose's error if there is no such key.
 */
function remoteKeySet(url: URL, options: KeyOptions = {}): JWTVerifyGetKey {
  const { cooldownMs = 30_000, nowMs = Date.now } = options;
  // When to fetch is decided below; jose would repeat a failed fetch at once, and drop good keys when they are old.
  const forever = { cooldownDuration: Number.POSITIVE_INFINITY, cacheMaxAge: Number.POSITIVE_INFINITY };
  const remote = createRemoteJWKSet(url, { timeoutDuration: fetchTimeoutMs, ...forever });
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let failed: { atMs: number; fault: Fault } | undefined;

  const load = async () => {
    if (failed && nowMs() - failed.atMs < Math.min(retryMs, cooldownMs)) throw failed.fault;
    try {
      await inSpan('jwks.refresh', () => remote.reload());
      measure('onbehalf.jwks.refresh', 1, { 'onbehalf.result': 'ok' });
      loadedAtMs = nowMs();
      failed = undefined;
    } catch (cause) {
      measure('onbehalf.jwks.refresh', 1, { 'onbehalf.result': 'failed' });
      const fault = new Fault('unavailable', 'The signing keys cannot be fetched.', { cause, retryAfterSeconds: 5 });
      failed = { atMs: nowMs(), fault };
      throw fault;
    }
  };

  return async (header, token) => {
    if (!remote.jwks()) await load();
    // Off the request's path; a failure is no news while the keys at hand are good.
    else if (nowMs() - loadedAtMs > maxAgeMs) load().catch(() => undefined);
    try {
      return await remote(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || nowMs() - loadedAtMs < cooldownMs) throw error;
      await load();
      return remote(header, token);
    }
  };
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
