import { ConfigError } from '@onbehalf/node/core/config-error';

export type Config = { port: number; host: string; allowedHosts: string[] };

/**
 * `HTTP_PORT` (4318, OTLP's own), `BIND_ADDRESS` (127.0.0.1: traces are for this machine only) and
 * `ALLOWED_HOSTS` (names beside localhost that a `Host` header may carry, separated by commas).
 * @throws ConfigError naming the setting.
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const port = Number(env.HTTP_PORT || 4318);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ConfigError('The environment is not usable:\n  HTTP_PORT: must be a port');
  }
  return {
    port,
    host: env.BIND_ADDRESS || '127.0.0.1',
    allowedHosts: (env.ALLOWED_HOSTS ?? '').split(/[\s,]+/).filter(Boolean),
  };
}
