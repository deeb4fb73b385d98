import { readFile } from 'node:fs/promises';
import { parseJsonConfig } from '@onbehalf/chassis/config';
import { createHealth } from '@onbehalf/chassis/health';
import { openKeyRing } from '@onbehalf/chassis/key-ring';
import { createLogger } from '@onbehalf/chassis/logger';
import { createMountedFile } from '@onbehalf/chassis/mounted-file';
import { aborted, run } from '@onbehalf/chassis/run';
import { serve } from '@onbehalf/chassis/serve';
import { apisSchema } from './apis.ts';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { connect } from './connect.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ ...config.log, service: 'web-frontend' });
  const apis = parseJsonConfig(apisSchema, await readFile(config.apisFile, 'utf8'), 'APIS_FILE');
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  using keys = await openKeyRing(config.session.keysDirectory, logger);
  const assertion = createMountedFile(config.broker.assertionFile);
  const { broker, entra } = connect({ config, assertion });
  const app = createApp({ config, apis, broker, entra, keys: keys.get, logger });
  await using server = await serve(app, config.http);
  logger.info({ event: 'started', config, port: server.port });
  await using _ready = health.ready(config.shutdownDelayMs);
  await aborted(signal);
});
