import type { Registry } from './measures.ts';

type TelemetryOptions = {
  /** `OTEL_*` and `METRICS_ENABLED`. */
  env: NodeJS.ProcessEnv;
  /** `service.name` unless `OTEL_SERVICE_NAME` says another. */
  service: string;
  /** The service's own signals: with the chassis' they are all that leaves the process. */
  registry: Registry;
};

const off: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} };

/**
 * Starts traces and metrics where `OTEL_EXPORTER_OTLP_ENDPOINT` or `METRICS_ENABLED` asks for them; else no SDK is
 * loaded. Disposing sends what is left, for 2 s and a last export at most. A collector that is away costs nothing but its data.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<AsyncDisposable> {
  const { env } = options;
  const asked = env.OTEL_EXPORTER_OTLP_ENDPOINT || env.METRICS_ENABLED === 'true';
  if (!asked || env.OTEL_SDK_DISABLED === 'true') return off;
  const { startSdk } = await import('./telemetry-sdk.ts');
  return startSdk(options);
}
