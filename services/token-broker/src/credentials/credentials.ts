import { createHash } from 'node:crypto';
import { createMounted, type Mounted, type MountedOptions, trimmed } from '@onbehalf/node/core/mounted-file';
import { SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Credential } from '../clients/clients.ts';
import { certificateAssertionSeconds, certificateReuseMs } from '../lifetimes.ts';
import { measure } from '../signals.ts';
import { sha256 } from '../store/redis-keys.ts';
import { type Certificate, parseCertificate } from './certificate.ts';

/** Client authentication in MSAL's form. A certificate signs a new assertion every 8 minutes and when it changes. */
export type ClientAuth = { clientSecret: string } | { clientAssertion: string };

export type CredentialSource = {
  type: Credential['type'];
  /** Path of the mounted file. */
  file?: string | undefined;
  /** @throws Error if the file cannot be read or used. */
  clientAuth(clientId: string, tokenEndpoint: string): Promise<ClientAuth>;
  /** Reads the file again before the next use: Entra has refused the credential. */
  renew(): void;
};

type CertificateCredential = Extract<Credential, { type: 'certificate' }>;
type CertificateFiles = Pick<CertificateCredential, 'file' | 'keyFile' | 'passwordFile'> & {
  /** Allowed types of key; RSA only by default. */
  keyTypes?: readonly string[];
};

const maxAssertions = 32;

function noFile(): never {
  throw new Error('a federated credential needs a token file: AZURE_FEDERATED_TOKEN_FILE, or its own');
}

/**
 * Opens one configured credential. `federatedFile` is AZURE_FEDERATED_TOKEN_FILE, the default file of `federated`.
 * Calls `onBroken` once if a file becomes unusable; the last good content stays in use.
 */
export function createCredential(
  credential: Credential,
  federatedFile: string | undefined,
  nowMs: () => number = Date.now,
  onBroken: (error: unknown) => void = () => {},
): CredentialSource {
  const options = { nowMs, onBroken: (error: unknown, kept: boolean) => void (kept && onBroken(error)) };
  if (credential.type === 'certificate') return createCertificateCredential(credential, options);
  const { type } = credential;
  const path = credential.file ?? federatedFile;
  const read = path === undefined ? createMounted([], noFile) : createMounted([path], trimmed, options);
  return {
    type,
    file: path,
    clientAuth: async () => (type === 'secret' ? { clientSecret: await read() } : { clientAssertion: await read() }),
    renew: read.renew,
  };
}

function createCertificateCredential(
  credential: CertificateCredential,
  options: Required<MountedOptions>,
): CredentialSource {
  const { nowMs } = options;
  const read = createCertificateFiles(credential, options);
  // One per client and tenant: with `organizations` each person's tenant counts.
  const signed = new LRUCache<string, { certificate: Certificate; untilMs: number; jwt: string }>({
    max: maxAssertions,
  });
  return {
    type: 'certificate',
    file: credential.file,
    async clientAuth(clientId, tokenEndpoint) {
      const certificate = await read();
      const key = `${clientId} ${tokenEndpoint}`;
      const held = signed.get(key);
      if (held && held.certificate === certificate && nowMs() < held.untilMs) return { clientAssertion: held.jwt };
      const claims = { clientId, audience: tokenEndpoint, sendX5c: credential.sendX5c === true };
      const jwt = await signCertificateAssertion(certificate, claims, nowMs());
      signed.set(key, { certificate, untilMs: nowMs() + certificateReuseMs, jwt });
      return { clientAssertion: jwt };
    },
    renew() {
      signed.clear();
      read.renew();
    },
  };
}

/** Reads a certificate from mounted files, again after they change. */
export function createCertificateFiles(
  { file, keyFile, passwordFile, keyTypes }: CertificateFiles,
  options: MountedOptions,
): Mounted<Certificate> {
  const paths = [file, keyFile, passwordFile].filter((path) => path !== undefined);
  const parse = (...contents: Buffer[]) => {
    const password = passwordFile === undefined ? undefined : contents.pop();
    return parseCertificate(contents, password && trimmed(password), keyTypes);
  };
  return createMounted(paths, parse, options);
}

/**
 * Learn, "Microsoft identity platform application authentication certificate credentials". `x5c` is for applications
 * that trust a subject name and issuer instead of one certificate.
 */
async function signCertificateAssertion(
  { key, chain }: Certificate,
  { clientId, audience, sendX5c }: { clientId: string; audience: string; sendX5c: boolean },
  nowMs: number,
) {
  const [leaf] = chain;
  const nowSeconds = Math.floor(nowMs / 1_000);
  const remainingSeconds = (Date.parse(leaf.validTo) - nowMs) / 1_000;
  measure('onbehalf.credential.remaining', remainingSeconds, { 'onbehalf.client_id': clientId });
  return await new SignJWT({})
    .setProtectedHeader({
      alg: 'PS256',
      typ: 'JWT',
      'x5t#S256': createHash('sha256').update(leaf.raw).digest('base64url'),
      ...(sendX5c && { x5c: chain.map(({ raw }) => raw.toString('base64')) }),
    })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(sha256(`${nowMs}${Math.random()}`))
    .setNotBefore(nowSeconds)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + certificateAssertionSeconds)
    .sign(key);
}
