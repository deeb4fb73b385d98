import { createBearer } from '@onbehalf/node/api/bearer';
import { Fault, type FaultCode } from '@onbehalf/node/core/fault';
import { isManyTenants } from '@onbehalf/node/core/keys/authority';
import type { Authority } from '@onbehalf/node/core/keys/signing-keys';
import { LRUCache } from 'lru-cache';
import { unverifiedClaims } from '../clients/callers.ts';
import type { Client } from '../clients/clients.ts';
import { accessTokenVerdictMs } from '../lifetimes.ts';
import type { Tombstones } from '../sessions/tombstone.ts';
import { sha256 } from '../store/redis-keys.ts';

type Claims = Record<string, unknown>;

type Options = {
  /** The authority of a tenant; for `organizations` and `common`, of all tenants. */
  openAuthority: (tenantId: string) => Authority;
  tombstones: Pick<Tombstones, 'refuseEnded'>;
  nowMs?: () => number;
};

const maxVerified = 1_000;

/**
 * Validates Entra's access tokens for the API of a client, as that API would: signature, issuer, tenant, audience,
 * times. The claims of a valid token are cached for `accessTokenVerdictMs`.
 */
export function createAccessTokens({ openAuthority, tombstones, nowMs = Date.now }: Options) {
  const authorities = new Map<string, Authority>();
  const verified = new LRUCache<string, { claims: Claims; untilMs: number }>({ max: maxVerified });

  function authorityFor(tenantId: string): Authority {
    const known = authorities.get(tenantId) ?? openAuthority(tenantId);
    authorities.set(tenantId, known);
    return known;
  }

  async function verify({ clientId, tenantId }: Client, token: string): Promise<Claims | undefined> {
    const claims = unverifiedClaims(token) ?? {};
    const tenant = isManyTenants(tenantId) ? String(claims.tid) : tenantId;
    const options = { audience: clientId, tenants: [tenant], allowedClients: [], now: () => new Date(nowMs()) };
    const bearer = createBearer({ ...authorityFor(tenantId), ...options });
    return (await undefinedIf('invalid_token', bearer(`Bearer ${token}`))) && claims;
  }

  async function findClaims(client: Client, token: string): Promise<Claims | undefined> {
    const name = `${client.tenantId} ${client.clientId} ${sha256(token)}`;
    const known = verified.get(name);
    if (known && known.untilMs > nowMs()) return known.claims;
    const claims = await verify(client, token);
    if (!claims) return undefined;
    verified.set(name, { claims, untilMs: Math.min(nowMs() + accessTokenVerdictMs, Number(claims.exp) * 1_000) });
    return claims;
  }

  return {
    /**
     * The claims of a token that is valid at the client's own API now. Undefined if it is not: expired, forged, for
     * another API, or of a person who has signed out since. RFC 7662 section 2.2. @throws Fault `unavailable`.
     */
    async find(client: Client, token: string): Promise<Claims | undefined> {
      const claims = await findClaims(client, token);
      if (!claims) return undefined;
      if (claims.scp === undefined || claims.idtyp === 'app') return claims;
      const shown = { token, issuedAtSeconds: Number(claims.iat) };
      const passed = tombstones.refuseEnded(`${claims.oid}.${claims.tid}`, shown);
      return (await undefinedIf('invalid_grant', passed)) && claims;
    },
  };
}

async function undefinedIf<T>(refused: FaultCode, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Fault && error.code === refused) return undefined;
    throw error;
  }
}

export type AccessTokens = ReturnType<typeof createAccessTokens>;
