import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Larger than any text that is packed here. */
const maxOutputLength = 65_536;

/**
 * A text in as few characters as it takes within JSON: as it is, or compressed where that is shorter. Each text is packed
 * alone: compressed together with a secret, the length of what an attacker chose would tell of the secret.
 */
export function pack(text: string): string {
  const packed = `z${deflateRawSync(text).toString('base64url')}`;
  if (packed.length < JSON.stringify(text).length - 2) return packed;
  return /^[z=]/.test(text) ? `=${text}` : text;
}

/** The text that `pack` packed. */
export function unpack(packed: string): string {
  if (!packed.startsWith('z')) return packed.replace(/^=/, '');
  return inflateRawSync(Buffer.from(packed.slice(1), 'base64url'), { maxOutputLength }).toString();
}
