import { serve } from '@onbehalf/chassis/http/serve';
import { createHealth } from '@onbehalf/chassis/life/health';
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { startTelemetry } from '@onbehalf/chassis/telemetry/telemetry';
import { ProtectedApi } from '@onbehalf/node/api';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { createGraph } from './graph.ts';
import registry from './signals.json' with { type: 'json' };

await run(async (signal) => {
  const config = readConfig(process.env);
  const { entra, broker } = config;
  const logger = createLogger({ ...config.log, service: 'downstream-api' });
  await using _telemetry = await startTelemetry({ env: process.env, service: 'downstream-api', registry, logger });
  const api = new ProtectedApi({
    ...{ tenant: entra.tenants, audience: entra.audience, allowedClients: entra.allowedClients },
    ...{ authorityHost: entra.authorityHost, log: logger },
    broker: { url: broker.url, assertion: broker.assertionFile },
  });
  const graph = createGraph({ baseUrl: config.graph.baseUrl, log: logger });
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  await using server = await serve(
    observed(createApp({ api, graph, graphScope: config.graph.scope, logger })),
    config.http,
  );
  await using _ready = health.ready(config.shutdownDelayMs);
  const started = { event: 'started', port: server.port, config };
  if (entra.allowedClients.length > 0) logger.info(started, 'serving');
  else logger.warn(started, 'serving any client of the tenants: ENTRA_ALLOWED_CLIENTS is unset');
  await aborted(signal);
});
