import { readFile } from 'node:fs/promises';
import { serve } from '@onbehalf/chassis/http/serve';
import { createHealth } from '@onbehalf/chassis/life/health';
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { startTelemetry } from '@onbehalf/chassis/telemetry/telemetry';
import { openKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { createMountedFile } from '@onbehalf/node/core/mounted-file';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import { apisSchema } from '@onbehalf/node/web/apis/apis';
import { createFlowTrace } from '@onbehalf/node/web/session/flow-trace';
import { SessionRevocation } from '@onbehalf/node/web/sign-in/session-revocation';
import { signals as registry } from '@onbehalf/node/web/telemetry/signals';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { connect } from './connect.ts';
import { toLogo } from './pages/logo.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ ...config.log, service: 'web-frontend' });
  await using _telemetry = await startTelemetry({ env: process.env, service: 'web-frontend', registry, logger });
  const apis = parseJsonConfig(apisSchema, await readFile(config.apisFile, 'utf8'), 'APIS_FILE');
  const { logoFile, ...product } = config.product;
  const logo = logoFile === undefined ? undefined : toLogo(await readFile(logoFile));
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  using keys = await openKeyRing(config.session.keysDirectory, logger);
  const assertion = createMountedFile(config.broker.assertionFile);
  const { broker, entra } = connect({ config, assertion, logger });
  // On disposal it retries each unconfirmed sign-out once more.
  await using revocation = new SessionRevocation({ broker, logger });
  const app = createApp({
    config,
    product: { ...product, logo },
    apis,
    broker,
    entra,
    keys: keys.get,
    logger,
    revocation,
  });
  await using server = await serve(observed(app, createFlowTrace(keys.get).originOf), {
    ...config.http,
    requestTimeoutMs: 0,
  });
  logger.info({ event: 'started', config, port: server.port });
  await using _ready = health.ready(config.shutdownDelayMs);
  await aborted(signal);
});
