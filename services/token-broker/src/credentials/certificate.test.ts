import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import forge from 'node-forge';
import { issueCertificate } from './certificate.fake.ts';
import { parseAuthorities, parseCertificate } from './certificate.ts';

const root = issueCertificate('Root');
const middle = issueCertificate('Issuing', root);
const leaf = issueCertificate('onbehalf-web', middle);
const other = issueCertificate('somebody else');
const elliptic = issueCertificate('elliptic', undefined, { type: 'ec' });
const request = root.certificate.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST');
const password = 'password-canary';
const encrypted = String(
  leaf.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password }),
);
const traditional = String(
  leaf.privateKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: password }),
);
const attributes = 'Bag Attributes\n    localKeyID: 01 \nsubject=CN = onbehalf-web\n\n';

function pfx(secret: string, algorithm: 'aes256' | '3des'): Buffer {
  const chain = [root, leaf, middle].map(({ certificate }) => forge.pki.certificateFromPem(certificate));
  const options = { algorithm, friendlyName: 'x' } as const;
  const asn1 = forge.pkcs12.toPkcs12Asn1(forge.pki.privateKeyFromPem(leaf.key), chain, secret, options);
  return Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1');
}

const parse = (content: string | Buffer, secret?: string) => parseCertificate([Buffer.from(content)], secret);
const der = ({ certificate }: { certificate: string }) => new X509Certificate(certificate).raw.toString('base64');

describe('a certificate file', () => {
  const whole: Record<string, [content: string | Buffer, password?: string]> = {
    'with leaf, chain and key': [leaf.certificate + middle.certificate + root.certificate + leaf.key],
    'with the key first': [leaf.key + leaf.certificate + middle.certificate + root.certificate],
    'with the root first and the leaf last': [leaf.key + root.certificate + middle.certificate + leaf.certificate],
    'with a certificate that is none of the chain': [
      other.certificate + leaf.key + root.certificate + leaf.certificate + middle.certificate,
    ],
    'with another key before its own': [
      other.key + leaf.key + root.certificate + leaf.certificate + middle.certificate,
    ],
    'with CRLF line ends': [
      (leaf.certificate + leaf.key + middle.certificate + root.certificate).replaceAll('\n', '\r\n'),
    ],
    'with bag attributes': [
      attributes + leaf.certificate + attributes + leaf.key + middle.certificate + root.certificate,
    ],
    'with an encrypted PKCS #8 key': [leaf.certificate + encrypted + middle.certificate + root.certificate, password],
    'with an encrypted traditional key': [
      traditional + root.certificate + middle.certificate + leaf.certificate,
      password,
    ],
    'with a request for a certificate': [leaf.key + request + leaf.certificate + middle.certificate + root.certificate],
    'that is a PFX': [pfx(password, 'aes256'), password],
    'that is a PFX of older software, without a password': [pfx('', '3des')],
    'that is a PFX in base64': [pfx('', 'aes256').toString('base64')],
    'that is a PFX in base64 with line breaks': [`${pfx('', 'aes256').toString('base64').replace(/.{64}/g, '$&\n')}\n`],
  };
  for (const [form, content] of Object.entries(whole)) {
    it(`${form} gives the leaf, its key and its chain in order`, async () => {
      const { key, chain } = await parse(...content);
      assert.deepEqual(
        chain.map(({ raw }) => raw.toString('base64')),
        [leaf, middle, root].map(der),
      );
      assert.ok(key.equals(leaf.privateKey));
    });
  }

  it('and its key may be two files', async () => {
    const files = [leaf.certificate + middle.certificate, leaf.key].map((text) => Buffer.from(text));
    const { key, chain } = await parseCertificate(files);
    assert.ok(key.equals(leaf.privateKey));
    assert.equal(chain.length, 2);
  });

  it('and its key may be in one of two files, whatever the other is', async () => {
    const { chain } = await parseCertificate([leaf.key + leaf.certificate, ''].map((text) => Buffer.from(text)));
    assert.deepEqual(
      chain.map(({ raw }) => raw.toString('base64')),
      [der(leaf)],
    );
  });

  it('that is self-signed is its own chain', async () => {
    const { chain } = await parse(other.certificate + other.key);
    assert.equal(chain.length, 1);
  });

  const broken: Record<string, [content: string | Buffer, says: RegExp, password?: string]> = {
    'without a key': [leaf.certificate, /no private key/],
    'without a certificate': [leaf.key, /no certificate/],
    'whose key is of another': [leaf.certificate + other.key, /belongs to none of the certificates/],
    'with an encrypted key and no password': [leaf.certificate + encrypted, /needs a passwordFile/],
    'with an encrypted key and a wrong password': [leaf.certificate + encrypted, /does not open/, 'wrong'],
    'with an elliptic key': [elliptic.certificate + elliptic.key, /not an RSA key/],
    'with a broken certificate': [
      `${leaf.key}-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n`,
      /cannot be read/,
    ],
    'that breaks off': [leaf.key + leaf.certificate.slice(0, 300), /no certificate/],
    'that is a PFX with a wrong password': [pfx(password, 'aes256'), /neither PEM nor a PFX/, 'wrong'],
    'that is a PFX and breaks off': [pfx('', 'aes256').subarray(0, 900), /neither PEM nor a PFX/],
    'that is something else': ['canary', /neither PEM nor a PFX/],
  };
  for (const [form, [content, says, secret]] of Object.entries(broken)) {
    it(`${form} is refused in words, and not quoted`, async () => {
      await assert.rejects(parse(content, secret), (error) => {
        assert.ok(error instanceof ConfigError, `${error}`);
        assert.match(error.message, says);
        assert.doesNotMatch(JSON.stringify([error.message, error.stack, error.cause]), /canary|BEGIN/);
        return true;
      });
    });
  }
});

describe('a bundle of authorities', () => {
  it('gives its certificates, and nothing else that is in it', () => {
    const bundle = attributes + root.certificate + request + leaf.key + middle.certificate;
    assert.equal(parseAuthorities(Buffer.from(bundle)), [root, middle].map(({ certificate }) => certificate).join(''));
  });

  it('is refused without a certificate, or with one that cannot be read', () => {
    const broken = '-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n';
    for (const bundle of [leaf.key, request, root.certificate + broken])
      assert.throws(() => parseAuthorities(Buffer.from(bundle)), ConfigError);
  });
});
