import { X509Certificate as Certificate, webcrypto } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
// The certificate library's dependency injection wants this first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

export type Tls = { ca: string; cert: string; key: string };

const dayMs = 86_400_000;
const lifeDays = 30;
const renewUnderDays = 7;
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};

/**
 * The server certificate of the demo CA, kept in the state directory (`ca.pem tls.pem tls.key`) and renewed in time.
 * The CA's own key is never written, so it can sign nothing else.
 */
export async function openTls(names: string[], stateDir: string | undefined): Promise<Tls> {
  if (!stateDir) return issueTls(names);
  const files = { ca: join(stateDir, 'ca.pem'), cert: join(stateDir, 'tls.pem'), key: join(stateDir, 'tls.key') };
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const kept = { ca: await read(files.ca), cert: await read(files.cert), key: await read(files.key) };
  if (isUsable(kept, names)) return kept;
  const fresh = await issueTls(names);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  for (const part of ['key', 'cert', 'ca'] as const) await writeFile(files[part], fresh[part], { mode: 0o600 });
  return fresh;
}

function isUsable({ ca, cert, key }: Tls, names: string[]): boolean {
  // A file whose last line has no end was written in an older format.
  if (![ca, cert, key].every((pem) => pem.endsWith('\n'))) return false;
  const certificate = new Certificate(cert);
  const fresh = Date.parse(certificate.validTo) - Date.now() > renewUnderDays * dayMs;
  return fresh && names.every((name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)));
}

async function issueTls(names: string[]): Promise<Tls> {
  const [caKeys, keys] = await Promise.all([createPair(ecdsa), createPair(ecdsa)]);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: 'CN=entra-emulator CA',
    keys: caKeys,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    ...validity(),
    subject: 'CN=entra-emulator',
    issuer: ca.subject,
    signingKey: caKeys.privateKey,
    publicKey: keys.publicKey,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  return { ca: toPem(ca), cert: toPem(leaf), key: await exportKey(keys.privateKey) };
}

/** A self-signed RSA pair for a client that authenticates by certificate, as one uploads it to an app registration. */
export async function issueClientCertificate(name: string): Promise<{ cert: string; key: string }> {
  const keys = await createPair(rsa);
  const options = { ...validity(), name: `CN=${name}`, keys, signingAlgorithm: rsa };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(options);
  return { cert: toPem(certificate), key: await exportKey(keys.privateKey) };
}

async function createPair(algorithm: typeof ecdsa | typeof rsa): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** The last line has an end, so that `cat key.pem cert.pem` makes a file that every program reads. */
function toPem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** From a minute ago: clocks of containers differ. */
function validity() {
  const serialNumber = `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;
  const notBefore = new Date(Date.now() - 60_000);
  return { serialNumber, notBefore, notAfter: new Date(Date.now() + lifeDays * dayMs) };
}
