import { type KeyObject, X509Certificate } from 'node:crypto';
import type { Claims } from './jwt.ts';

export type Certificate = { publicKey: KeyObject; sha1: Buffer; sha256: Buffer };

/** @param pem the certificate as its app registration has it. */
export function readCertificate(pem: string): Certificate {
  const certificate = new X509Certificate(pem);
  const thumbprint = (hex: string) => Buffer.from(hex.replaceAll(':', ''), 'hex');
  return {
    publicKey: certificate.publicKey,
    sha1: thumbprint(certificate.fingerprint),
    sha256: thumbprint(certificate.fingerprint256),
  };
}

/**
 * Whether an assertion's header names this certificate: Entra looks for the key by its thumbprint and tries no other.
 * `kid` counts only without an `x5t`. Learn: "Certificate credentials"; RFC 7515 section 4.1.
 */
export function isNamed({ sha1, sha256 }: Certificate, { x5t, kid, 'x5t#S256': x5tS256 }: Claims): boolean {
  // MSAL Python pads its thumbprints, MSAL Go writes them in base64 proper; Entra reads all.
  const says = (value: unknown, hash: Buffer) => typeof value === 'string' && Buffer.from(value, 'base64').equals(hash);
  const saysHex = (value: unknown, hash: Buffer) =>
    typeof value === 'string' && value.toLowerCase() === hash.toString('hex');
  if (x5t === undefined && x5tS256 === undefined) {
    return [sha1, sha256].some((hash) => says(kid, hash) || saysHex(kid, hash));
  }
  return (x5t === undefined || says(x5t, sha1)) && (x5tS256 === undefined || says(x5tS256, sha256));
}
