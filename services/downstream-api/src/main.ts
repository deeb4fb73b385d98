import { createBearer } from '@onbehalf/chassis/bearer';
import { createHealth } from '@onbehalf/chassis/health';
import { createLogger } from '@onbehalf/chassis/logger';
import { createMountedFile } from '@onbehalf/chassis/mounted-file';
import { aborted, run } from '@onbehalf/chassis/run';
import { serve } from '@onbehalf/chassis/serve';
import { remoteKeys } from '@onbehalf/chassis/signing-keys';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { createGraph } from './graph.ts';
import { createOnBehalfOf } from './on-behalf-of.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const { entra, broker } = config;
  const logger = createLogger({ ...config.log, service: 'downstream-api' });
  const bearer = createBearer({ ...entra, keys: remoteKeys(entra.authorityHost, entra.tenants) });
  const clientAssertion = createMountedFile(broker.assertionFile);
  const onBehalfOf = createOnBehalfOf({ brokerUrl: broker.url, clientAssertion, audience: entra.audience });
  const graph = createGraph({ ...config.graph, onBehalfOf });
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  await using server = await serve(createApp({ bearer, graph, logger }), config.http);
  await using _ready = health.ready(config.shutdownDelayMs);
  logger.info({ event: 'started', port: server.port, config }, 'serving');
  await aborted(signal);
});
