import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { createMountedFile } from '@onbehalf/chassis/mounted-file';
import { SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Credential } from './clients.ts';
import { certificateAssertionSeconds, certificateReuseMs } from './lifetimes.ts';
import { sha256 } from './names.ts';
import { measure } from './signals.ts';

/** What MSAL needs to prove a client to Entra, made at most once per change of the file or per 8 minutes. */
export type Proof = { clientSecret: string } | { clientAssertion: string };

export type CredentialSource = {
  type: Credential['type'];
  /** @throws Error if the file cannot be read or used. */
  proof(clientId: string, tokenEndpoint: string): Promise<Proof>;
  /** Forgets what was made of the file: Entra has refused it. */
  renew(): void;
};

const assertionsKept = 32;

async function noFile(): Promise<never> {
  throw new Error('a federated credential needs a token file: AZURE_FEDERATED_TOKEN_FILE, or its own');
}

/** Opens one configured credential. `federatedFile` is AZURE_FEDERATED_TOKEN_FILE, the default of `federated`. */
export function createCredential(
  credential: Credential,
  federatedFile: string | undefined,
  nowMs: () => number = Date.now,
): CredentialSource {
  const path = credential.file ?? federatedFile;
  const open = () => (path === undefined ? noFile : createMountedFile(path, nowMs));
  let read = open();
  // One per client and tenant: with `organizations` the tenants are whoever signs in.
  const signed = new LRUCache<string, { pemHash: string; untilMs: number; jwt: string }>({ max: assertionsKept });

  async function certificateAssertion(clientId: string, tokenEndpoint: string): Promise<string> {
    const pem = await read();
    const key = `${clientId} ${tokenEndpoint}`;
    const held = signed.get(key);
    const pemHash = sha256(pem);
    if (held && held.pemHash === pemHash && nowMs() < held.untilMs) return held.jwt;
    const jwt = await signCertificateAssertion(pem, clientId, tokenEndpoint, nowMs());
    signed.set(key, { pemHash, untilMs: nowMs() + certificateReuseMs, jwt });
    return jwt;
  }

  return {
    type: credential.type,
    async proof(clientId, tokenEndpoint) {
      if (credential.type === 'secret') return { clientSecret: await read() };
      if (credential.type === 'federated') return { clientAssertion: await read() };
      return { clientAssertion: await certificateAssertion(clientId, tokenEndpoint) };
    },
    renew() {
      signed.clear();
      read = open();
    },
  };
}

/** Learn, "Microsoft identity platform application authentication certificate credentials". */
async function signCertificateAssertion(pem: string, clientId: string, audience: string, nowMs: number) {
  const certificate = new X509Certificate(pem);
  const nowSeconds = Math.floor(nowMs / 1_000);
  const remainingSeconds = (Date.parse(certificate.validTo) - nowMs) / 1_000;
  measure('onbehalf.credential.remaining', remainingSeconds, { 'onbehalf.client_id': clientId });
  return await new SignJWT({})
    .setProtectedHeader({
      alg: 'PS256',
      typ: 'JWT',
      'x5t#S256': createHash('sha256').update(certificate.raw).digest('base64url'),
    })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(sha256(`${nowMs}${Math.random()}`))
    .setNotBefore(nowSeconds)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + certificateAssertionSeconds)
    .sign(createPrivateKey(pem));
}
