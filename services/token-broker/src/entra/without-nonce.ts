import { z } from 'zod';

const responseSchema = z.looseObject({ id_token: z.string() });
const claimsSchema = z.looseObject({ nonce: z.unknown().optional() });

/**
 * Removes the nonce from the ID token of a token response, for MSAL: MSAL rejects a nonce that it did not get from its
 * caller, and does not verify the signature. Any other body is returned unchanged. The client gets the original ID
 * token and checks the nonce itself, OIDC Core section 3.1.3.7.
 */
export function withoutNonce(body: unknown): unknown {
  const response = responseSchema.safeParse(body).data;
  if (!response) return body;
  const [header, payload = '', ...rest] = response.id_token.split('.');
  try {
    const { nonce: _, ...claims } = claimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    const encoded = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return { ...response, id_token: [header, encoded, ...rest].join('.') };
  } catch {
    // MSAL has a better error for an invalid token.
    return body;
  }
}
