import type { Registry } from '@onbehalf/node/core/telemetry/measures';
import { signals } from '@onbehalf/node/core/telemetry/signals';
import chassis from '../signals.json' with { type: 'json' };

type TelemetryOptions = {
  /** `OTEL_*` and `METRICS_ENABLED`. */
  env: NodeJS.ProcessEnv;
  /** `service.name` unless `OTEL_SERVICE_NAME` says another. */
  service: string;
  /** The service's own signals: with the chassis' they are all that leaves the process. */
  registry: Registry;
};

/** `on`: whether anything leaves the process, so that who serves a lot can leave out what would be thrown away. */
export type Telemetry = AsyncDisposable & { on: boolean };

const off: Telemetry = { on: false, [Symbol.asyncDispose]: async () => {} };

/**
 * Starts traces and metrics where `OTEL_EXPORTER_OTLP_ENDPOINT` or `METRICS_ENABLED` asks for them; else no SDK is
 * loaded. Disposing sends what is left, for 2 s and a last export at most. A collector that is away costs nothing but its data.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env } = options;
  const asked = env.OTEL_EXPORTER_OTLP_ENDPOINT || env.METRICS_ENABLED === 'true';
  if (!asked || env.OTEL_SDK_DISABLED === 'true') return off;
  const { startSdk } = await import('./telemetry-sdk.ts');
  const sdk = await startSdk({ ...options, registries: [signals, chassis, options.registry] });
  return { on: true, [Symbol.asyncDispose]: () => sdk[Symbol.asyncDispose]() };
}
