import { generateKeyPairSync, sign } from 'node:crypto';

const tlv = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Buffer[]) => tlv(0x30, ...parts);
const sha256WithRsa = sequence(tlv(0x06, Buffer.from('2a864886f70d01010b', 'hex')), tlv(0x05));
const time = (text: string) => tlv(0x17, Buffer.from(text));

/** A key and its self-signed certificate in one PEM, as small as X.509 (RFC 5280) allows. */
export function makeCertificate(): string {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const validity = sequence(time('200101000000Z'), time('490101000000Z'));
  const content = sequence(tlv(0x02, Buffer.of(1)), sha256WithRsa, sequence(), validity, sequence(), spki);
  const signature = tlv(0x03, Buffer.of(0), sign('sha256', content, privateKey));
  const base64 = sequence(content, sha256WithRsa, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g)?.join('\n');
  return `${privateKey.export({ type: 'pkcs8', format: 'pem' })}-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
