import { type DestinationStream, type Logger, pino } from 'pino';
import { Fault } from './fault.ts';

export type { Logger };

/** OAuth parameters and headers that are credentials. */
const secretNames = [
  ...['code_verifier', 'state', 'nonce', 'assertion', 'client_assertion', 'client_secret', 'token', 'access_token'],
  ...['refresh_token', 'id_token', 'subject_token', 'authorization', 'cookie', 'set-cookie'],
];

/** Errors the JavaScript engine itself words: their messages name our code, never an input. */
const engineErrors = new Set(['TypeError', 'RangeError', 'ReferenceError', 'AssertionError']);

/** What a log line may say of an error: foreign messages can quote tokens and addresses, so they stay out. */
export function describeError(error: unknown): Record<string, unknown> | string {
  if (!(error instanceof Error)) return typeof error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const ours = error instanceof Fault || engineErrors.has(error.name) || syscall !== undefined;
  return {
    type: error.name,
    ...(code !== undefined && { code }),
    ...(ours && { message: error.message }),
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .map((line) => line.trim())
      .slice(0, 8),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}

/**
 * Structured logs on stdout, one JSON object a line: `time level service event msg …`. Everything under a name on the
 * redaction list is censored even when a caller is careless.
 */
export function createLogger(
  { level, service }: { level: string; service: string },
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  const redacted = secretNames.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // `code` only on top: deeper down it is an error's.
      redact: { paths: ['code', ...redacted], censor: '[secret]' },
      serializers: { error: describeError, err: describeError },
      errorKey: 'error',
    },
    destination,
  );
}
