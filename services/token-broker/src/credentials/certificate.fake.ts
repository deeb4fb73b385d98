import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { makeRsaKey } from '@onbehalf/node/core/keys/rsa.fake';

const tlv = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Buffer[]) => tlv(0x30, ...parts);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const signedBy = {
  rsa: sequence(oid('2a864886f70d01010b'), tlv(0x05)),
  ec: sequence(oid('2a8648ce3d040302')),
  ed25519: sequence(oid('2b6570')),
};
type KeyType = keyof typeof signedBy;
const makeKeyPair = {
  rsa: makeRsaKey,
  ec: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed25519: () => generateKeyPairSync('ed25519'),
};
const time = (text: string) => tlv(0x17, Buffer.from(text));
const commonName = (name: string) => sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(name)))));

type Issued = { name: string; privateKey: KeyObject; key: string; certificate: string };

/** A key and its certificate as two PEM texts, as small as X.509 (RFC 5280) allows; self-signed unless issued by another. */
export function issueCertificate(
  name: string,
  issuer?: Issued,
  { type = 'rsa', ends = '490101000000Z' }: { type?: KeyType; ends?: string } = {},
): Issued {
  const { privateKey, publicKey } = makeKeyPair[type]();
  const signer = issuer?.privateKey ?? privateKey;
  const signerType = signer.asymmetricKeyType as KeyType;
  const algorithm = signedBy[signerType];
  const validity = sequence(time('200101000000Z'), time(ends));
  const names = [commonName(issuer?.name ?? name), validity, commonName(name)];
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const content = sequence(tlv(0x02, Buffer.of(1)), algorithm, ...names, spki);
  const signature = tlv(0x03, Buffer.of(0), sign(signerType === 'ed25519' ? null : 'sha256', content, signer));
  const base64 = sequence(content, algorithm, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g)?.join('\n');
  return {
    name,
    privateKey,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

/** A key and its self-signed certificate in one PEM. */
export function makeCertificate(): string {
  const { key, certificate } = issueCertificate('onbehalf');
  return `${key}${certificate}`;
}
