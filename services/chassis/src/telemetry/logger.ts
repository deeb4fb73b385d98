import { ConfigError } from '@onbehalf/node/core/config-error';
import { Fault } from '@onbehalf/node/core/fault';
import { activeIds } from '@onbehalf/node/core/telemetry/tracing';
import { type DestinationStream, type Logger, pino } from 'pino';
import { toSource } from './source-places.ts';

export type { Logger };

/** OAuth parameters and headers that are credentials. */
const secretNames = [
  ...['code_verifier', 'state', 'nonce', 'assertion', 'client_assertion', 'client_secret', 'token', 'access_token'],
  ...['refresh_token', 'id_token', 'subject_token', 'authorization', 'cookie', 'set-cookie'],
];

/** What must not stand in a line whatever it is called: JWTs and JWEs, e-mail addresses. Bounded, so that it is quick. */
const secretShapes = /eyJ[\w-]{8,}(?:\.[\w-]*)*|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+/g;

/** What the JavaScript engine says of our code. Its other messages quote values: `Cannot use 'in' operator … in eyJ…`. */
const engineMessage =
  /^(?:Cannot (?:read|set) properties of (?:undefined|null)(?: \((?:reading|setting) '\w{1,30}'\))?|[\w$.()]{1,60} is not (?:defined|iterable|a function|a constructor)|Assignment to constant variable\.|Maximum call stack size exceeded|Invalid URL|fetch failed|terminated)$/;

const errorName = /^[A-Z]\w{0,60}$/;
/** `ECONNREFUSED`, `ERR_JWT_EXPIRED`, `invalid_grant`. */
const errorCode = /^(?:[A-Z][A-Z0-9_]{1,60}|[a-z_]{2,60})$/;
const stackFrame = /^ {4}at .+:\d+:\d+\)?$/;
const deepest = 5;

/**
 * What a log line may say of an error: type, code, frames, causes. The message only where its words are ours or the
 * system's: foreign ones can quote tokens and addresses.
 */
export function describeError(error: unknown, depth = 0): Record<string, unknown> | string {
  if (!(error instanceof Error)) return typeof error;
  if (depth === deepest) return '…';
  const { code, syscall } = error as NodeJS.ErrnoException;
  const ours = error instanceof Fault || error instanceof ConfigError || typeof syscall === 'string';
  return {
    type: errorName.test(error.name) ? error.name : 'Error',
    ...((typeof code === 'number' || errorCode.test(code ?? '')) && { code }),
    ...((ours || engineMessage.test(error.message)) && { message: error.message }),
    stack: framesOf(error),
    ...(error.cause !== undefined && { cause: describeError(error.cause, depth + 1) }),
    ...(error instanceof AggregateError && { errors: error.errors.map((one) => describeError(one, depth + 1)) }),
  };
}

/** What a log that takes nothing more, as on a full disk, is kept for; what comes on top is lost. */
const keptBytes = 1_048_576;

/** A log that cannot be written must not end the service, and there is nowhere to say it. */
function standardOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: true, maxLength: keptBytes }).on('error', () => {});
}

/**
 * Structured logs on stdout, one JSON object a line: `time level service event msg …`. Everything under a name on the
 * redaction list, and everything shaped like a token or an e-mail address, is censored even when a caller is careless.
 */
export function createLogger(
  { level, service }: { level: string; service: string },
  destination: DestinationStream = standardOutput(),
): Logger {
  const redacted = secretNames.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);
  return pino(
    {
      level,
      base: { service },
      mixin: activeIds,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // `code` only on top: deeper down it is an error's.
      redact: { paths: ['code', ...redacted], censor: '[secret]' },
      serializers: { error: describeError, err: describeError },
      errorKey: 'error',
      hooks: {
        logMethod(args, method) {
          // Where no message is given, pino would take the error's.
          if (args.length === 1 && errorIn(args[0])) method.apply(this, [args[0], 'failed']);
          else method.apply(this, args);
        },
        streamWrite: (line) => line.replace(secretShapes, '[secret]'),
      },
    },
    destination,
  );
}

function errorIn(first: unknown): boolean {
  return first instanceof Error || (first as { error?: unknown } | null)?.error instanceof Error;
}

/** The message stands before the frames and may look like one. */
function framesOf({ stack = '', message }: Error): string[] {
  const from = stack.indexOf(message) + message.length;
  const frames = stack
    .slice(from)
    .split('\n')
    .filter((line) => stackFrame.test(line));
  return frames.slice(0, 8).map((line) => toSource(line.trim()));
}
