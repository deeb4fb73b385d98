import { randomBytes } from 'node:crypto';
import { sha256 } from '../store/redis-keys.ts';

const tokenBytes = 32;

/** How a process token begins, and the hash of one: a list of hashes tells sessions and processes apart. */
const processMark = 'process.';

/** A new session token: 32 random bytes in base64url. */
export function newSessionToken(): string {
  return randomBytes(tokenBytes).toString('base64url');
}

/** A new process token. */
export function newProcessToken(): string {
  return processMark + newSessionToken();
}

/** The hash that names a token's session or process in the store. */
export function hashSessionToken(token: string): string {
  return token.startsWith(processMark) ? processMark + sha256(token) : sha256(token);
}

/** Whether this is the hash of a process token. */
export const isProcess = (hash: string): boolean => hash.startsWith(processMark);
