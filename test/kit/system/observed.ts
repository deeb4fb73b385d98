import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { startTelemetry } from '@onbehalf/chassis/telemetry/telemetry';

// Preloaded by `node --import`: somebody's server of node:http gets spans as ours have them, and exports them where `OTEL_*` says.
const service = process.env.OTEL_SERVICE_NAME ?? 'unnamed';
await startTelemetry({
  ...{ env: process.env, service, registry: { attributes: {}, spans: {}, metrics: {} } },
  logger: createLogger({ level: 'warn', service }),
});
const { createServer } = http;
http.createServer = ((listener: http.RequestListener) => createServer(observed(listener))) as typeof createServer;
syncBuiltinESMExports();
