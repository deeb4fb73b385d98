import { randomBytes } from 'node:crypto';
import { sha256 } from '../store/redis-keys.ts';

const tokenBytes = 32;

/** A new session token: 32 random bytes in base64url. */
export function newSessionToken(): string {
  return randomBytes(tokenBytes).toString('base64url');
}

/** The hash that names a token's session in the store. */
export function hashSessionToken(token: string): string {
  return sha256(token);
}
