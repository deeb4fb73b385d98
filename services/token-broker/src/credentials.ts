import { createHash } from 'node:crypto';
import { createMountedBytes, createMountedFile } from '@onbehalf/chassis/mounted-file';
import { SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { type Certificate, parseCertificate } from './certificate.ts';
import type { Credential } from './clients.ts';
import { certificateAssertionSeconds, certificateReuseMs } from './lifetimes.ts';
import { sha256 } from './names.ts';
import { measure } from './signals.ts';

/** What MSAL needs to prove a client to Entra, made at most once per change of the file or per 8 minutes. */
export type Proof = { clientSecret: string } | { clientAssertion: string };

export type CredentialSource = {
  type: Credential['type'];
  /** Where it is read from. */
  file?: string | undefined;
  /** @throws Error if the file cannot be read or used. */
  proof(clientId: string, tokenEndpoint: string): Promise<Proof>;
  /** Forgets what was made of the file: Entra has refused it. */
  renew(): void;
};

type CertificateCredential = Extract<Credential, { type: 'certificate' }>;

const assertionsKept = 32;

async function noFile(): Promise<never> {
  throw new Error('a federated credential needs a token file: AZURE_FEDERATED_TOKEN_FILE, or its own');
}

/**
 * Opens one configured credential. `federatedFile` is AZURE_FEDERATED_TOKEN_FILE, the default of `federated`. A
 * certificate file that breaks while the last good one still serves is told to `onBroken`, once.
 */
export function createCredential(
  credential: Credential,
  federatedFile: string | undefined,
  nowMs: () => number = Date.now,
  onBroken: (error: unknown) => void = () => {},
): CredentialSource {
  if (credential.type === 'certificate') return createCertificateCredential(credential, nowMs, onBroken);
  const { type } = credential;
  const path = credential.file ?? federatedFile;
  const open = () => (path === undefined ? noFile : createMountedFile(path, nowMs));
  let read = open();
  return {
    type,
    file: path,
    proof: async () => (type === 'secret' ? { clientSecret: await read() } : { clientAssertion: await read() }),
    renew() {
      read = open();
    },
  };
}

function createCertificateCredential(
  credential: CertificateCredential,
  nowMs: () => number,
  onBroken: (error: unknown) => void,
): CredentialSource {
  const open = () => createCertificateFiles(credential, nowMs, onBroken);
  let read = open();
  // One per client and tenant: with `organizations` the tenants are those of the people who sign in.
  const signed = new LRUCache<string, { certificate: Certificate; untilMs: number; jwt: string }>({
    max: assertionsKept,
  });
  return {
    type: 'certificate',
    file: credential.file,
    async proof(clientId, tokenEndpoint) {
      const certificate = await read();
      const key = `${clientId} ${tokenEndpoint}`;
      const held = signed.get(key);
      if (held && held.certificate === certificate && nowMs() < held.untilMs) return { clientAssertion: held.jwt };
      const asked = { clientId, audience: tokenEndpoint, sendX5c: credential.sendX5c === true };
      const jwt = await signCertificateAssertion(certificate, asked, nowMs());
      signed.set(key, { certificate, untilMs: nowMs() + certificateReuseMs, jwt });
      return { clientAssertion: jwt };
    },
    renew() {
      signed.clear();
      read = open();
    },
  };
}

/** The certificate of mounted files, parsed once a change. A broken change is told once, and the last good one serves. */
function createCertificateFiles(
  { file, keyFile, passwordFile }: CertificateCredential,
  nowMs: () => number,
  onBroken: (error: unknown) => void,
): () => Promise<Certificate> {
  const readFiles = [file, ...(keyFile === undefined ? [] : [keyFile])].map((path) => createMountedBytes(path, nowMs));
  const readPassword = passwordFile === undefined ? async () => undefined : createMountedFile(passwordFile, nowMs);
  let read: (Buffer | string | undefined)[] = [];
  let last: Certificate | undefined;
  return async () => {
    const [files, password] = await Promise.all([Promise.all(readFiles.map((one) => one())), readPassword()]);
    const now = [...files, password];
    if (last && now.every((one, i) => one === read[i])) return last;
    try {
      last = await parseCertificate(files, password);
    } catch (error) {
      if (!last) throw error;
      onBroken(error);
    }
    read = now;
    return last;
  };
}

/**
 * Learn, "Microsoft identity platform application authentication certificate credentials". `x5c` is for applications
 * that trust a subject name and issuer in place of one certificate.
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
