import { z } from 'zod';

const answerSchema = z.looseObject({ id_token: z.string() });
const claimsSchema = z.looseObject({ nonce: z.unknown().optional() });

/**
 * A token answer of Entra's whose ID token has no nonce, for MSAL: it refuses a nonce that it was not told, and decodes
 * the token without looking at the signature. What is no such answer stays as it is. OIDC Core section 3.1.3.7 leaves
 * the check of the nonce to the client, who gets the ID token as it came.
 */
export function withoutNonce(body: unknown): unknown {
  const answer = answerSchema.safeParse(body).data;
  if (!answer) return body;
  const [header, payload = '', ...rest] = answer.id_token.split('.');
  try {
    const { nonce: _, ...claims } = claimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    const encoded = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return { ...answer, id_token: [header, encoded, ...rest].join('.') };
  } catch {
    // MSAL says better what is wrong with such a token.
    return body;
  }
}
