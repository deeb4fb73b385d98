import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
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
import { connect } from '@onbehalf/node/web/connect';
import { createFlowTrace } from '@onbehalf/node/web/session/flow-trace';
import { SessionRevocation } from '@onbehalf/node/web/sign-in/session-revocation';
import { signals as registry } from '@onbehalf/node/web/telemetry/signals';
import { createFrontend } from './app.ts';
import { readConfig } from './config.ts';
import { toLogo } from './pages/logo.ts';
import { readUpstreams } from './upstreams/file/read-upstreams.ts';

await run(async (signal) => {
  const config = readConfig(process.env);
  const logger = createLogger({ ...config.log, service: 'web-frontend' });
  await using telemetry = await startTelemetry({ env: process.env, service: 'web-frontend', registry, logger });
  const apis = parseJsonConfig(apisSchema, await readFile(config.apisFile, 'utf8'), 'APIS_FILE');
  const upstreams = await readUpstreams(config, Object.keys(apis));
  const { logoFile, ...product } = config.product;
  const logo = logoFile === undefined ? undefined : toLogo(await readFile(logoFile));
  const health = createHealth();
  await using _admin = await serve(health.handler, config.admin);
  using keys = openKeyRing(config.session.keysDirectory, logger);
  const assertion = createMountedFile(config.broker.assertionFile);
  const { broker, entra } = connect({ config, assertion, logger });
  // On disposal it retries each unconfirmed sign-out once more.
  await using revocation = new SessionRevocation({ broker, logger });
  const { app, front } = createFrontend({
    config,
    product: { ...product, logo },
    apis,
    upstreams,
    broker,
    entra,
    keys: keys.get,
    logger,
    revocation,
  });
  const flowTrace = createFlowTrace(keys.get);
  const originOf = (req: IncomingMessage) => {
    const at = config.locations.tryToChoose(req);
    return at.location ? flowTrace.originOf(req, at) : {};
  };
  const listener = front.listener(app);
  await using server = await serve(telemetry.on ? observed(listener, originOf) : listener, {
    ...config.http,
    requestTimeoutMs: 0,
    upgrades: front.upgrades,
  });
  using _front = front;
  const { verifyPort: port } = config;
  await using _verify =
    port === undefined
      ? undefined
      : await serve(telemetry.on ? observed(front.verifyListener) : front.verifyListener, { ...config.http, port });
  // A log redacts what it copies, and a copy of a class lacks what is private.
  logger.info({ event: 'started', config: { ...config, locations: config.locations.toJSON() }, port: server.port });
  await using _ready = health.ready(config.shutdownDelayMs);
  await aborted(signal);
});
