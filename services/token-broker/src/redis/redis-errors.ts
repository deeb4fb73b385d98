import { Fault } from '@onbehalf/node/core/fault';
import { redisRetryAfterSeconds } from '../lifetimes.ts';
import { StoreFull } from '../store/store.ts';

/** A command had no response in time. */
export class Timeout extends Error {}

/** The Fault for a store that does not respond. */
export function unavailable(cause?: unknown): Fault {
  return new Fault('unavailable', 'The session store does not respond; try again.', {
    cause,
    retryAfterSeconds: redisRetryAfterSeconds,
  });
}

/** A script that Redis has not loaded yet. */
export function isUnknownScript(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** Redis refused this one command, e.g. a script to load: the connection is fine. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && /^(NOSCRIPT|WRONGTYPE|ERR) /.test(error.message);
}

/** Redis does not permit the command: its configuration or ours is wrong. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && findRefusal(error) !== undefined;
}

/** The connection is not authenticated any more. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof Error && /^(NOAUTH|WRONGPASS) /.test(error.message);
}

/** An error with a code of Redis, such as `WRONGPASS …`, or of ours for its response; not an error of the network. */
export function isVerdict(error: unknown): boolean {
  return error instanceof Error && /^[A-Z_]{3,30} /.test(error.message);
}

/** `maxmemory` is reached and nothing may be evicted. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('OOM ');
}

/** The outcome of a failed command, for the metric. */
export function toOutcome(error: unknown): string {
  const { cause } = error as Error;
  if (isReply(error) || isRefusal(cause)) return 'refused';
  if (cause instanceof StoreFull) return 'full';
  return cause instanceof Timeout ? 'timeout' : 'down';
}

/**
 * The right that Redis refuses by this error, as its ACL or our configuration would name it; undefined for other errors.
 * Only known parts of a reply are used: the rest may quote any data.
 */
export function findRefusal(error: unknown, args: (string | Buffer)[] = [], prefix = ''): string | undefined {
  const reply = error instanceof Fault ? error.cause : error;
  if (!(reply instanceof Error)) return undefined;
  const { message } = reply;
  if (/^MOVED /.test(message)) return 'REDIS_MODE: must be cluster';
  if (/cluster support disabled/.test(message)) return 'REDIS_MODE: must be standalone';
  const unknown = /^ERR unknown command ['`](\w{1,20})/i.exec(message)?.[1];
  if (unknown) return `+${unknown.toLowerCase()}`;
  if (!/^NOPERM |ACL failure|user executing the script|^ERR Unknown Redis command/i.test(message)) return undefined;
  if (/channel/.test(message)) return `&${prefix}*`;
  if (/\bkeys?\b/.test(message)) return `~${prefix}*`;
  const command = /'([a-z|]{1,20})' command/i.exec(message)?.[1] ?? /^NOPERM/.exec(message)?.[0];
  if (command && command !== 'NOPERM') return `+${command.toLowerCase()}`;
  return `+${String(args[0] ?? '').toLowerCase()}, or what its script calls`;
}
