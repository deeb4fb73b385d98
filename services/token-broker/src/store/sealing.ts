import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import type { z } from 'zod';
import { measure } from '../signals.ts';
import { shortName } from './redis-keys.ts';

const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

export type Opened = {
  plaintext: Buffer;
  /** Whether it is sealed with a key that is no longer current, and should be sealed again. */
  old: boolean;
};

/**
 * AES-256-GCM with a key ring. Layout: length of the key id (1 byte), key id, IV (12), tag (16), ciphertext.
 * `name` is authenticated and not stored: a value that was moved to another key or field does not open.
 */
export function createSealing(ring: () => KeyRing, onUnopened: (name: string) => void = () => {}) {
  function decipher(sealed: Buffer, name: string): Opened | undefined {
    const { current, keys } = ring();
    const idEnd = 1 + (sealed[0] ?? 0);
    const body = idEnd + ivBytes + tagBytes;
    if (sealed.length < body) return undefined;
    const keyId = sealed.toString('latin1', 1, idEnd);
    const key = keys.get(keyId);
    if (!key) return undefined;
    try {
      const open = createDecipheriv(cipher, key, sealed.subarray(idEnd, idEnd + ivBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(name))
        .setAuthTag(sealed.subarray(idEnd + ivBytes, body));
      const plaintext = open.update(sealed.subarray(body));
      // With GCM `update` returns all of the plaintext; `final` only checks the tag.
      open.final();
      return { plaintext, old: keyId !== current };
    } catch {
      return undefined;
    }
  }

  /** Logs and counts a value that is of no use. */
  function tellUnopened(name: string): void {
    onUnopened(name);
    measure('onbehalf.cache.open_failed', 1);
  }

  return {
    seal(plaintext: string | Buffer, name: string): Buffer {
      const { current, keys } = ring();
      const key = keys.get(current);
      if (!key) throw new Error('the key ring has no current key');
      const iv = randomBytes(ivBytes);
      const seal = createCipheriv(cipher, key, iv).setAAD(Buffer.from(name));
      const ciphertext = Buffer.concat([seal.update(plaintext), seal.final()]);
      return Buffer.concat([Buffer.of(current.length), Buffer.from(current), iv, seal.getAuthTag(), ciphertext]);
    },

    /** The plaintext; undefined if the key is unknown, the name another, or a bit changed. The caller treats it as a miss. */
    open(sealed: Buffer, name: string): Opened | undefined {
      const opened = decipher(sealed, name);
      if (!opened) tellUnopened(name);
      else if (opened.old) measure('onbehalf.cache.old_key', 1);
      return opened;
    },

    tellUnopened,
  };
}

export type Sealing = ReturnType<typeof createSealing>;

/**
 * Values of a schema as sealed JSON. `name`: as of `seal` and `open`. A value of another shape, which another version wrote,
 * is a miss as well: a fault would last as long as the value.
 */
export function sealedJson<S extends z.ZodType>(sealing: Sealing, schema: S) {
  return {
    seal: (value: z.input<S>, name: string): Buffer => sealing.seal(JSON.stringify(schema.parse(value)), name),
    open(sealed: Buffer | undefined, name: string): { value: z.output<S>; old: boolean } | undefined {
      const opened = sealed && sealing.open(sealed, name);
      if (!opened) return undefined;
      const { success, data } = schema.safeParse(JSON.parse(opened.plaintext.toString()));
      if (success) return { value: data, old: opened.old };
      sealing.tellUnopened(name);
      return undefined;
    },
  };
}

/** Logs that a value did not open: its kind, and a short hash of its key. */
export function logUnopened(logger: Logger): (name: string) => void {
  return (name) => {
    const kind = /\b(\w+):\{/.exec(name)?.[1];
    logger.warn({ event: 'cache.open_failed', kind, entry: shortName(name) }, 'a stored value does not open');
  };
}
