import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

/** RFC 7517 section 5. Private keys are refused. Symmetric keys are refused as well: they are secrets. */
const jwksSchema = z.object({
  keys: z
    .array(
      z.looseObject({
        kty: z.enum(['RSA', 'EC', 'OKP'], 'must be RSA, EC or OKP'),
        d: z.never('is a private key: only the public half belongs here').optional(),
      }),
    )
    .min(1)
    .max(16),
});

const pemBlock = /-----BEGIN (PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)-----[\s\S]*?-----END \1-----/g;

/**
 * The public keys of a client: a JWKS, or PEM of public keys and certificates.
 * @throws ConfigError with the reason, without any of the content.
 */
export function parsePublicKeys(text: string): JWTVerifyGetKey {
  const jwks = text.trimStart().startsWith('{')
    ? parseJsonConfig(jwksSchema, text, 'file of public keys')
    : { keys: parsePem(text) };
  return createLocalJWKSet(jwks as JSONWebKeySet);
}

function parsePem(text: string): JsonWebKey[] {
  if (text.includes('PRIVATE KEY-----')) {
    throw new ConfigError('there is a private key: only the public half belongs here');
  }
  const blocks = text.match(pemBlock) ?? [];
  if (blocks.length === 0) throw new ConfigError('there is no public key');
  return blocks.map((pem) => {
    try {
      return createPublicKey(pem).export({ format: 'jwk' });
    } catch {
      throw new ConfigError('a public key cannot be read');
    }
  });
}
