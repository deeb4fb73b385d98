import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ConfigError } from '@onbehalf/node/core/config-error';

/** A certificate with its private key. `chain` starts with the certificate; each next one issued the one before. */
export type Certificate = { key: KeyObject; chain: [X509Certificate, ...X509Certificate[]] };

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * Reads a certificate and its private key. Formats: PEM in any order, in one file or two (a `kubernetes.io/tls`
 * Secret), with or without encryption of the key; PKCS #12 (RFC 7292), binary or in base64 (a Key Vault secret).
 * The leaf is the certificate that belongs to the key, at any position.
 * `keyTypes` are the types that the verifier accepts: Entra ID accepts RSA only.
 * @throws ConfigError with the reason, without any of the content.
 */
export async function parseCertificate(
  files: Buffer[],
  password?: string,
  keyTypes: readonly string[] = ['rsa'],
): Promise<Certificate> {
  const isPem = files.some((file) => file.includes('-----BEGIN '));
  const { keys, certificates } = isPem
    ? parsePem(String(Buffer.concat(files)), password)
    : await parsePfx(files[0] ?? Buffer.of(), password);
  if (keys.length === 0) throw new ConfigError('there is no private key');
  if (certificates.length === 0) throw new ConfigError('there is no certificate');
  for (const key of keys) {
    const leaf = certificates.find((one) => one.checkPrivateKey(key));
    if (!leaf) continue;
    if (!keyTypes.includes(`${key.asymmetricKeyType}`)) {
      throw new ConfigError(
        keyTypes.length === 1
          ? 'the key is not an RSA key: Entra ID accepts no other'
          : `the key is none of ${keyTypes.join(', ')}`,
      );
    }
    return { key, chain: [leaf, ...findIssuers(leaf, certificates)] };
  }
  throw new ConfigError('the private key belongs to none of the certificates');
}

/** The certificates of a PEM bundle, as PEM. @throws ConfigError if it has none, or one that cannot be read. */
export function parseAuthorities(bundle: Buffer): string {
  const found = [...String(bundle).matchAll(pemBlock)].filter(([, label]) => label === 'CERTIFICATE');
  if (found.length === 0) throw new ConfigError('there is no certificate');
  return found.map(([block]) => String(openCertificate(block))).join('');
}

type Parts = { keys: KeyObject[]; certificates: X509Certificate[] };

function parsePem(text: string, password: string | undefined): Parts {
  const blocks = [...text.matchAll(pemBlock)].map(([pem, label = '']) => ({ pem, label }));
  const pick = <T>(label: RegExp, parse: (pem: string) => T) =>
    blocks.filter((block) => label.test(block.label)).map(({ pem }) => parse(pem));
  return {
    keys: pick(/PRIVATE KEY/, (pem) => openKey(pem, password)),
    certificates: pick(/CERTIFICATE$/, (pem) => openCertificate(pem)),
  };
}

function openKey(pem: string, password: string | undefined): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && password === undefined)
    throw new ConfigError('the private key is encrypted: it needs a passwordFile');
  try {
    return createPrivateKey({ key: pem, passphrase: password });
  } catch {
    throw new ConfigError(encrypted ? 'the password does not open the private key' : 'the private key cannot be read');
  }
}

function openCertificate(encoded: string | Buffer): X509Certificate {
  try {
    return new X509Certificate(encoded);
  } catch {
    throw new ConfigError('a certificate cannot be read');
  }
}

/** Node reads PKCS #12 for TLS only and does not return its content, so node-forge reads it, loaded when needed. */
async function parsePfx(file: Buffer, password = ''): Promise<Parts> {
  const { default: forge } = await import('node-forge');
  const { pki } = forge;
  // DER starts with a SEQUENCE; otherwise the file is base64.
  const bytes = file[0] === 0x30 ? file : Buffer.from(String(file), 'base64');
  const der = (value: import('node-forge').asn1.Asn1) => Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1');
  try {
    const store = forge.pkcs12.pkcs12FromAsn1(forge.asn1.fromDer(bytes.toString('latin1')), password);
    const bags = store.safeContents.flatMap(({ safeBags }) => safeBags);
    return {
      keys: bags.flatMap(({ key }) =>
        key ? [createPrivateKey({ key: der(pki.privateKeyToAsn1(key)), format: 'der', type: 'pkcs1' })] : [],
      ),
      certificates: bags.flatMap(({ cert }) => (cert ? [openCertificate(der(pki.certificateToAsn1(cert)))] : [])),
    };
  } catch {
    throw new ConfigError('the file is neither PEM nor a PFX (PKCS #12) of RSA that its password opens');
  }
}

/** The issuers of a leaf that are among `all`, nearest first. */
function findIssuers(leaf: X509Certificate, all: X509Certificate[]): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let one: X509Certificate | undefined = leaf; one; ) {
    const issued: X509Certificate = one;
    one = all.find((other) => other !== leaf && !found.includes(other) && issued.checkIssued(other));
    if (one) found.push(one);
  }
  return found;
}
