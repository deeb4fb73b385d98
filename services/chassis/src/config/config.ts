import { z } from 'zod';

/** The environment keys of every service; the schema of each service includes them. */
export const commonEnvironment = {
  /** The port of the service itself; 0 takes any. */
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /** The port of probes and, where they are on, metrics. */
  ADMIN_PORT: z.coerce.number().int().min(0).max(65_535).default(9090),
  /** The address of both listeners; by default every address, as a pod needs. */
  BIND_ADDRESS: z.string().min(1).optional(),
  /** The least level that is logged. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** How long a pod still serves after it became unready: load balancers need that time to notice. */
  SHUTDOWN_DELAY_MS: z.coerce.number().int().min(0).max(60_000).default(5_000),
  /** How long requests under way may take to finish after that. */
  DRAIN_MS: z.coerce.number().int().min(0).max(120_000).default(15_000),
};

type CommonEnvironment = z.output<z.ZodObject<typeof commonEnvironment>>;

/** The nested shape of `commonEnvironment`. */
export function commonConfig(env: CommonEnvironment) {
  const { HTTP_PORT, ADMIN_PORT, BIND_ADDRESS: host, DRAIN_MS: drainMs } = env;
  return {
    http: { port: HTTP_PORT, host, drainMs },
    admin: { port: ADMIN_PORT, host, drainMs },
    log: { level: env.LOG_LEVEL },
    shutdownDelayMs: env.SHUTDOWN_DELAY_MS,
  };
}

export const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');

/** `a,b c` → `['a', 'b', 'c']`; at least one. */
export const words = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .refine((list) => list.length > 0, 'must name at least one');
