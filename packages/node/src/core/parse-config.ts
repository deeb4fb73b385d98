import type { z } from 'zod';
import { ConfigError } from './config-error.ts';

/**
 * Parses an environment (or the content of a mounted file) by its schema. An empty or blank string counts as absent,
 * except for the keys of `spoken`, for which blank is a value. `nameOf` gives what a fault calls a key.
 * @throws ConfigError with every fault at once, by key, without any value.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  input: unknown,
  source = 'environment',
  spoken: readonly string[] = [],
  nameOf: (path: string) => string = (path) => path,
): z.output<S> {
  // With the input, an absent value can be told from a wrong one; no message shows it.
  const value = source === 'environment' ? withoutEmpty(input as object, spoken) : input;
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `  ${nameOf(issue.path.join('.')) || source}: ${describe(issue)}`);
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
    value !== undefined && (typeof value !== 'string' || value.trim() !== '' || spoken.includes(key));
  return Object.fromEntries(Object.entries(env).filter(says));
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is required';
  if (issue.code === 'unrecognized_keys') return `does not know ${issue.keys.join(', ')}`;
  return issue.message;
}
