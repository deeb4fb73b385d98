import { CompactEncrypt, compactDecrypt, errors } from 'jose';
import type { z } from 'zod';
import type { KeyRing } from '../../core/keys/key-ring.ts';

/** What a value is sealed for, and perhaps at which location; it opens for nothing else. */
export type Purpose = 'session' | 'login' | 'challenge';
export type SealedFor = Purpose | `${Purpose} ${string}`;

export type Seal = ReturnType<typeof createSeal>;

/** Seals values for the browser to carry: JWE, `dir` with A256GCM (RFC 7516, 7518), key and purpose in its header. */
export function createSeal(keys: () => KeyRing) {
  return {
    async seal(purpose: SealedFor, value: object): Promise<string> {
      const { current, keys: ring } = keys();
      const key = ring.get(current);
      if (!key) throw new Error('the key ring has no current key');
      return new CompactEncrypt(Buffer.from(JSON.stringify(value)))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: current, typ: purpose })
        .encrypt(key);
    },

    /** The value, and whether another key is current by now; undefined for anything we did not seal for this purpose. */
    async open<S extends z.ZodType>(
      purpose: SealedFor,
      sealed: string,
      schema: S,
    ): Promise<{ value: z.output<S>; stale: boolean } | undefined> {
      const { current, keys: ring } = keys();
      try {
        const { plaintext, protectedHeader } = await compactDecrypt(
          sealed,
          ({ kid }) => {
            const key = ring.get(String(kid));
            if (!key) throw new errors.JOSEError('unknown kid');
            return key;
          },
          { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
        );
        if (protectedHeader.typ !== purpose) return undefined;
        const parsed = schema.safeParse(JSON.parse(Buffer.from(plaintext).toString()));
        return parsed.success ? { value: parsed.data, stale: protectedHeader.kid !== current } : undefined;
      } catch (error) {
        // A value that we did not seal counts as missing.
        if (error instanceof errors.JOSEError || error instanceof SyntaxError || error instanceof TypeError) return;
        throw error;
      }
    },
  };
}
