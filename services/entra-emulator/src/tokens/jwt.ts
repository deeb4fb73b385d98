import { randomUUID } from 'node:crypto';

export type Claims = Record<string, unknown>;

/** One part of a JWT: JSON as base64url. RFC 7519 section 3. */
export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** One base64url JSON part of a JWT; undefined if it is not an object. */
export function decode(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/** A value as opaque as Entra's `uti`, `aio` and `rh`. */
export function opaque(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}
