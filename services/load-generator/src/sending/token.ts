import { z } from 'zod';

const answerSchema = z.object({ access_token: z.string() });
const claimsSchema = z.object({ iss: z.string().optional(), oid: z.string().optional() });

/** The claims of a JWT, its signature not looked at; undefined if it is none. */
export function claimsOf(token: string): z.output<typeof claimsSchema> | undefined {
  try {
    const [, payload = ''] = token.split('.');
    return claimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  } catch {
    // An opaque token, or none.
    return undefined;
  }
}

/** Whose access token a token answer holds. */
export function oidOf(answer: string): string | undefined {
  return claimsOf(tokenOf(answer) ?? '')?.oid;
}

/** The access token of a token answer. */
export function tokenOf(answer: string): string | undefined {
  try {
    return answerSchema.parse(JSON.parse(answer)).access_token;
  } catch {
    // An error, cut off, or not an answer of ours.
    return undefined;
  }
}
