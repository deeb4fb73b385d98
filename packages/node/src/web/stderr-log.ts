import { ConfigError } from '../core/config-error.ts';
import type { Log } from '../core/log.ts';
import { findReason } from '../core/reason.ts';

/** Warnings and errors as lines on stderr, for an app that gives no log. Of an error only the reason is told. */
export const stderrLog: Log = { info: () => {}, warn: write, error: write };

function write(fields: object, message?: string): void {
  const told = Object.entries(fields).map(([name, value]) =>
    value instanceof Error ? (['reason', reasonOf(value)] as const) : ([name, value] as const),
  );
  process.stderr.write(`onbehalf: ${JSON.stringify({ ...Object.fromEntries(told), message })}\n`);
}

/** A ConfigError is written to be read, and holds no value. */
const reasonOf = (error: Error) => (error instanceof ConfigError ? error.message : findReason(error));
