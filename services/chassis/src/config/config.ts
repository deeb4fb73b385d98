import { ConfigError } from '@onbehalf/node/core/config-error';
import { z } from 'zod';

/** The environment keys of every service; the schema of each service includes them. */
export const commonEnvironment = {
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  ADMIN_PORT: z.coerce.number().int().min(0).max(65_535).default(9090),
  /** The address of both listeners; by default every address, as a pod needs. */
  BIND_ADDRESS: z.string().min(1).optional(),
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

/**
 * Parses an environment (or the content of a mounted file) by its schema. An empty or blank string counts as absent,
 * except for the keys of `spoken`, for which blank is a value.
 * @throws ConfigError with every fault at once, by key, without any value.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  input: unknown,
  source = 'environment',
  spoken: readonly string[] = [],
): z.output<S> {
  // With the input, an absent value can be told from a wrong one; no message shows it.
  const value = source === 'environment' ? withoutEmpty(input as object, spoken) : input;
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `  ${issue.path.join('.') || source}: ${describe(issue)}`);
  throw new ConfigError(`The ${source} is not usable:\n${[...new Set(faults)].join('\n')}`);
}

/** Parses the content of a mounted JSON file by its schema. @throws ConfigError as `parseConfig`. */
export function parseJsonConfig<S extends z.ZodType>(schema: S, text: string, source: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of the parser quotes the text, and the file may hold a secret.
    throw new ConfigError(`The ${source} is not usable:\n  ${source}: is not JSON`);
  }
  return parseConfig(schema, value, source);
}

function withoutEmpty(env: object, spoken: readonly string[]): Record<string, unknown> {
  const says = ([key, value]: [string, unknown]) =>
    String(value ?? '').trim() !== '' || (value !== undefined && spoken.includes(key));
  return Object.fromEntries(Object.entries(env).filter(says));
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is required';
  if (issue.code === 'unrecognized_keys') return `does not know ${issue.keys.join(', ')}`;
  return issue.message;
}
