import { readFile } from 'node:fs/promises';
import { serve } from '@onbehalf/chassis/http/serve';
import { createHealth } from '@onbehalf/chassis/life/health';
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { startTelemetry } from '@onbehalf/chassis/telemetry/telemetry';
import { openKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { remoteAuthority } from '@onbehalf/node/core/keys/signing-keys';
import { tellOutages } from '@onbehalf/node/core/outages';
import { assemble } from './assemble.ts';
import { openClients } from './clients/clients-file.ts';
import { readConfig } from './config.ts';
import { openRedisTls } from './credentials/redis-tls.ts';
import { MsalEntra } from './entra/msal.ts';
import { EntraHttpClient } from './entra/msal-http.ts';
import { openRedisCredentials } from './entra/redis-credentials.ts';
import { upkeepMs } from './lifetimes.ts';
import { connectRedis } from './redis/redis.ts';
import { RedisStore } from './redis/redis-store.ts';
import { repeating } from './repeating.ts';
import registry from './signals.json' with { type: 'json' };
import { createRedisKeys, readIndexKey } from './store/redis-keys.ts';
import { createSealing, logUnopened } from './store/sealing.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const { redis } = config;
  const logger = createLogger({ ...config.log, service: 'token-broker' });
  await using telemetry = await startTelemetry({ env: process.env, service: 'token-broker', registry, logger });
  logger.info({ event: 'started', config }, 'token-broker starts');

  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  using keys = openKeyRing(config.sealingKeysDir, logger);
  using clients = await openClients(config.clientsFile, logger);
  const redisKeys = createRedisKeys(readIndexKey(keys.get()), redis.keyPrefix);
  await using network = new EntraHttpClient();
  const entra = new MsalEntra({ ...config.entra, federatedFile: config.entra.federatedTokenFile, network, logger });
  await entra.checkCredentials(clients.get().byName.values());
  const read = async (path: string | undefined) => path && (await readFile(path, 'utf8')).trim();
  await using tls = await openRedisTls(redis.tls, logger);
  const openCredentials = (auth: typeof redis.auth) => openRedisCredentials(auth, entra, logger);
  await using connection = connectRedis(
    {
      ...redis.server,
      credentials: await openCredentials(redis.auth),
      sentinelCredentials: await openCredentials(redis.sentinelAuth),
      commandTimeoutMs: redis.commandTimeoutMs,
      tls: tls.context,
      allowPlaintext: redis.allowPlaintext,
    },
    redisKeys.channel,
    logger,
  );
  const { handler, upkeep, onReplaced } = assemble(config, {
    store: new RedisStore(connection, redisKeys.channel),
    entra,
    redisKeys,
    sealing: createSealing(keys.get, logUnopened(logger)),
    clients: clients.get,
    callersCa: await read(config.callers.caFile),
    openAuthority: (tenantId) => {
      const { keys, issuerOf } = remoteAuthority(config.entra.authorityHost, [tenantId]);
      return { issuerOf, keys: tellOutages('entra-keys', logger, keys) };
    },
    logger,
  });
  await using _upkeep = repeating(upkeep, upkeepMs, logger);
  const [cert, key] = [await read(config.tls.certFile), await read(config.tls.keyFile)];
  await using _server = await serve(telemetry.on ? observed(handler) : handler, {
    ...config.http,
    tls: cert && key ? { cert, key } : undefined,
  });
  await using ready = health.ready(config.shutdownDelayMs);
  onReplaced(() => void ready[Symbol.asyncDispose]());
  logger.info({ event: 'listening', port: _server.port }, 'token-broker listens');
  await aborted(signal);
});
