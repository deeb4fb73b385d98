import type { Registry } from '@onbehalf/node/core/telemetry/measures';
import { signals } from '@onbehalf/node/core/telemetry/signals';
import chassis from '../signals.json' with { type: 'json' };
import type { Logger } from './logger.ts';
import { readOtel } from './otel-settings.ts';

type TelemetryOptions = {
  /** `process.env`, since the SDK reads it too: `OTEL_*`, `METRICS_ENABLED` and what names a proxy. */
  env: NodeJS.ProcessEnv;
  /** `service.name` unless `OTEL_SERVICE_NAME` says another. */
  service: string;
  /** The service's own signals: with the chassis' they are all that leaves the process. */
  registry: Registry;
  /** Hears of settings that are not usable and of exports that fail. */
  logger: Logger;
};

/** `on`: whether anything leaves the process, so that who serves a lot can leave out what would be thrown away. */
export type Telemetry = AsyncDisposable & { on: boolean };

const off: Telemetry = { on: false, [Symbol.asyncDispose]: async () => {} };

/**
 * Starts traces and metrics where `OTEL_*` or `METRICS_ENABLED` asks for them, as `readOtel` says; else no SDK is loaded.
 * Disposing sends what is left, for 2 s at most. A collector that is away costs nothing but its data.
 * @throws ConfigError for a setting that is not supported.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const settings = readOtel(options.env);
  if (!settings.traces && !settings.metrics && !settings.page) return off;
  const { startSdk } = await import('./telemetry-sdk.ts');
  const sdk = startSdk({ ...options, registries: [signals, chassis, options.registry], settings });
  return { on: true, [Symbol.asyncDispose]: () => sdk[Symbol.asyncDispose]() };
}
