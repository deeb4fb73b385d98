import {
  type AccountInfo,
  ConfidentialClientApplication,
  DistributedCachePlugin,
  type ICacheClient,
} from '@azure/msal-node';
import { openRedisClient } from '../../test/kit/redis/client.ts';
import type { Redis } from '../../test/kit/redis/server.ts';

type Contents = { users: number; scope: string; accessToken: string };

/** MSAL Node as its samples use it: DistributedCachePlugin, a client per request, a partition per account. */
export async function openStockCache(redis: Redis, { users, ...granted }: Contents) {
  const client = await openRedisClient(redis);
  const cache: ICacheClient = {
    get: async (key) => (await client.get(`bench-stock:${key}`)) ?? '',
    set: async (key, value) =>
      (await client.set(`bench-stock:${key}`, value, { expiration: { type: 'EX', value: 3_600 } })) ?? '',
  };
  const tenant = 'c0a70500-7e57-4000-8000-000000000001';
  const environment = 'login.windows.net';
  const clientId = '3eb00000-7e57-4000-8000-000000000011';
  const accounts = Array.from({ length: users }, (_, n): AccountInfo => {
    const localAccountId = `10ad0000-7e57-4000-8000-${String(n).padStart(12, '0')}`;
    return {
      homeAccountId: `${localAccountId}.${tenant}`,
      environment,
      tenantId: tenant,
      username: `u${n}`,
      localAccountId,
    };
  });
  const now = Math.floor(Date.now() / 1_000);
  for (const account of accounts)
    await cache.set(account.homeAccountId, blobOf(account, { ...granted, clientId, tenant, environment, now }));
  return {
    async get(n: number) {
      const account = accounts[n];
      if (!account) throw new Error('no such account');
      const partition = { getKey: async () => account.homeAccountId, extractKey: async () => account.homeAccountId };
      const cca = new ConfidentialClientApplication({
        auth: { clientId, clientSecret: 'never sent', authority: `https://login.microsoftonline.com/${tenant}` },
        cache: { cachePlugin: new DistributedCachePlugin(cache, partition) },
      });
      const result = await cca.acquireTokenSilent({ account: { ...account }, scopes: [granted.scope] });
      if (!result.fromCache) throw new Error('not a hit');
      return result;
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}

type BlobFacts = Omit<Contents, 'users'> & { clientId: string; tenant: string; environment: string; now: number };

/** A cache as MSAL Node writes it after a sign-in with one access token. */
function blobOf(account: AccountInfo, facts: BlobFacts): string {
  const { clientId, scope, accessToken, tenant, environment, now } = facts;
  const { homeAccountId: home } = account;
  const key = (...parts: string[]) => parts.join('-').toLowerCase();
  const shared = { home_account_id: home, environment, client_id: clientId };
  return JSON.stringify({
    Account: {
      [key(home, environment, tenant)]: {
        ...{ home_account_id: home, environment, realm: tenant, local_account_id: account.localAccountId },
        ...{ username: account.username, authority_type: 'MSSTS', tenantProfiles: [] },
      },
    },
    IdToken: {
      [key(home, environment, 'idtoken', clientId, tenant, '', '', '')]: {
        ...{ ...shared, credential_type: 'IdToken', realm: tenant, secret: idToken(account) },
      },
    },
    AccessToken: {
      [key(home, environment, 'accesstoken', clientId, tenant, scope, '', '')]: {
        ...{ ...shared, credential_type: 'AccessToken', realm: tenant, target: scope, secret: accessToken },
        ...{
          cached_at: `${now}`,
          expires_on: `${now + 3_600}`,
          extended_expires_on: `${now + 3_600}`,
          token_type: 'Bearer',
        },
      },
    },
    RefreshToken: {
      [key(home, environment, 'refreshtoken', clientId, '', '', '', '')]: {
        ...{ ...shared, credential_type: 'RefreshToken', secret: 'r'.repeat(1_200) },
      },
    },
    AppMetadata: { [key('appmetadata', environment, clientId)]: { client_id: clientId, environment } },
  });
}

function idToken(account: AccountInfo): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { oid: account.localAccountId, tid: account.tenantId, preferred_username: account.username, sub: 's' };
  return `${part({ alg: 'RS256' })}.${part(claims)}.${'s'.repeat(342)}`;
}
