import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';

/** An ES256 key, by its thumbprint (RFC 7638). */
export type IdentityKey = { kid: string; privateKey: KeyObject; publicJwk: Record<string, string> };

/** The order of P-256. FIPS 186-5, SP 800-186 section 3.2.1.3. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const derived = new WeakMap<KeyObject, IdentityKey>();

/**
 * The key that signs who somebody is, made of a key of the ring, so that every pod has the same one and it is renewed with
 * the ring. 48 bytes, so that every key is as likely (FIPS 186-5 appendix A.2.1). RFC 5869.
 */
export function identityKeyOf(key: KeyObject): IdentityKey {
  const known = derived.get(key);
  if (known) return known;
  const bytes = Buffer.from(hkdfSync('sha256', key, '', 'onbehalf identity ES256', 48));
  const scalar = (BigInt(`0x${bytes.toString('hex')}`) % (order - 1n)) + 1n;
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex'));
  const point = pair.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((each) => each.toString('base64url')) as [
    string,
    string,
  ];
  const jwk = { crv: 'P-256', kty: 'EC', x, y };
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  const d = pair.getPrivateKey().toString('base64url');
  const made = {
    kid,
    privateKey: createPrivateKey({ key: { ...jwk, d }, format: 'jwk' }),
    publicJwk: { ...jwk, kid, use: 'sig', alg: 'ES256' },
  };
  derived.set(key, made);
  return made;
}
