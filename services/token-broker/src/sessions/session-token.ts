import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { detached } from '../input/detached.ts';
import { sha256 } from '../store/redis-keys.ts';

const tokenBytes = 32;
/** In base64url. */
const tokenLength = Math.ceil((tokenBytes * 4) / 3);

// A hash by OpenSSL costs more than all else that a session in memory needs.
const hashes = new LRUCache<string, string>({ maxSize: 10_000, sizeCalculation: () => 1 });

/** A new session token: 32 random bytes in base64url. */
export function newSessionToken(): string {
  return randomBytes(tokenBytes).toString('base64url');
}

/** The hash that names a token's session in the store. */
export function hashSessionToken(token: string): string {
  const known = hashes.get(token);
  if (known !== undefined) return known;
  const hash = sha256(token);
  if (token.length === tokenLength) hashes.set(detached(token), hash);
  return hash;
}
