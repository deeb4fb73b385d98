import {
  type AccountInfo,
  ConfidentialClientApplication,
  DistributedCachePlugin,
  type ICacheClient,
  type IPartitionManager,
} from '@azure/msal-node';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createClient } from 'redis';
import { z } from 'zod';

/** Read from standard input, because it holds a secret. */
const setupSchema = z.object({
  port: z.number(),
  authority: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
  redis: z.object({ host: z.string(), port: z.number(), password: z.string().optional() }),
  callers: z.object({ issuer: z.string(), jwksUri: z.string(), audience: z.string() }),
});
export type StockSetup = z.input<typeof setupSchema>;

/**
 * What Microsoft's samples advise, as a service: Express, MSAL Node with its DistributedCachePlugin over Redis, a
 * client per request, a partition per account. It checks its caller on every request, as a service must.
 */
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const setup = setupSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
const { host, port, password } = setup.redis;
const redis = createClient({ socket: { host, port }, ...(password !== undefined && { password }) });
await redis.connect();
const cacheClient: ICacheClient = {
  get: async (key) => (await redis.get(`stock:${key}`)) ?? '',
  set: async (key, value) => (await redis.set(`stock:${key}`, value)) ?? '',
};

function createCca(partition: string): ConfidentialClientApplication {
  const partitionManager: IPartitionManager = {
    getKey: async () => partition,
    extractKey: async (account) => account.homeAccountId ?? partition,
  };
  return new ConfidentialClientApplication({
    auth: {
      clientId: setup.clientId,
      authority: setup.authority,
      clientSecret: setup.clientSecret,
      knownAuthorities: [new URL(setup.authority).host],
    },
    cache: { cachePlugin: new DistributedCachePlugin(cacheClient, partitionManager) },
  });
}

const keys = createRemoteJWKSet(new URL(setup.callers.jwksUri));
const accounts = new Map<string, AccountInfo>();
const app = express();
app.use(express.urlencoded({ extended: false }));

app.post('/sign-in', async (req, res) => {
  const { code, redirect_uri, code_verifier, nonce, scope } = req.body;
  const cca = createCca('');
  const result = await cca.acquireTokenByCode({
    code,
    redirectUri: redirect_uri,
    codeVerifier: code_verifier,
    nonce,
    scopes: [scope],
  });
  if (!result.account) throw new Error('no account');
  accounts.set(result.account.homeAccountId, result.account);
  res.json({ subject_token: result.account.homeAccountId });
});

app.post('/oauth2/token', async (req, res) => {
  const { client_assertion, subject_token, scope } = req.body;
  if (req.query.check !== 'off') {
    await jwtVerify(client_assertion, keys, { issuer: setup.callers.issuer, audience: setup.callers.audience });
  }
  const account = accounts.get(subject_token);
  if (!account) throw new Error('no such account');
  const result = await createCca(account.homeAccountId).acquireTokenSilent({ account, scopes: [scope] });
  if (!result.fromCache) throw new Error('not a hit');
  res.json({ access_token: result.accessToken, token_type: 'Bearer', expires_in: 3_600 });
});
app.listen(setup.port, '127.0.0.1');
