import { errors, type FlattenedJWSInput, type JWTVerifyGetKey } from 'jose';
import { isSecureContext } from '../address.ts';
import { discoveryDocument, discoveryUrl, isManyTenants, issuersOf } from './authority.ts';
import { cachedKeys, type KeyOptions, NoKeys } from './kept-keys.ts';

/** Entra announces a key well before it signs with it, and withdraws one in an emergency: Learn says to look daily. */
const maxAgeMs = 86_400_000;
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
