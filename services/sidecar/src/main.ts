import { serve } from '@onbehalf/chassis/http/serve';
import { createHealth } from '@onbehalf/chassis/life/health';
import { aborted, run } from '@onbehalf/chassis/life/run';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { startTelemetry } from '@onbehalf/chassis/telemetry/telemetry';
import { ProtectedApi } from '@onbehalf/node/api/protected-api';
import { BrokerClient } from '@onbehalf/node/broker/client';
import { createSidecar } from './app.ts';
import { readConfig } from './config.ts';
import registry from './signals.json' with { type: 'json' };

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ ...config.log, service: 'sidecar' });
  await using _telemetry = await startTelemetry({ env: process.env, service: 'sidecar', registry, logger });
  const tokens = new BrokerClient({ ...config.broker, log: logger });
  const api = new ProtectedApi({ ...config.entra, log: logger });
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  await using server = await serve(observed(createSidecar({ api, tokens, config, logger })), config.http);
  await using _ready = health.ready(config.shutdownDelayMs);
  const apis = [...config.apis.keys()];
  logger.info({ event: 'started', port: server.port, config: { ...config, apis } }, 'serving this pod');
  await aborted(signal);
});
