import type { Log } from './log.ts';

type Line = Record<string, unknown> & { level: string };

/** A log that hands on what it is told. */
export function logTo(write: (line: Line) => void): Log {
  const at = (level: string) => (fields: object, message?: string) => write({ level, msg: message, ...fields });
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
