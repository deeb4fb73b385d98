import { type KeyObject, X509Certificate } from 'node:crypto';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { compactVerify, errors } from 'jose';
import type { Realm } from '../directory/directory.ts';
import type { App } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import type { createFederation } from './federation.ts';
import { type Claims, decode } from './keys.ts';

/** How a client proved who it is. `azpacr`: 0 = not at all, 1 = secret, 2 = certificate or (unverified) federated. */
export type ClientAuthentication = { kind: 'none' | 'secret' | 'certificate' | 'federated'; azpacr: '0' | '1' | '2' };

export type Credentials = {
  secret: string | undefined;
  assertion: string | undefined;
  assertionType: string | undefined;
  grant: string;
};

type Needs = { origin: string; now: () => number; federation: ReturnType<typeof createFederation>; logger: Logger };
type Assertion = { jws: string; header: Claims; claims: Claims };

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const skewSeconds = 300;

export type Authenticate = (client: App, realm: Realm, credentials: Credentials) => Promise<ClientAuthentication>;

/** Client authentication as Entra does it: secret, `private_key_jwt`, or a federated assertion. RFC 6749, 7523. */
export function createAuthenticate({ origin, now, federation, logger }: Needs): Authenticate {
  const certificates = new Map<string, ReturnType<typeof readCertificate>>();
  const certificateOf = (pem: string) => {
    const certificate = certificates.get(pem) ?? readCertificate(pem);
    certificates.set(pem, certificate);
    return certificate;
  };

  const checkTimes = ({ nbf, exp }: Claims) => {
    const at = (seconds: unknown) => (typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : 'unknown');
    const early = typeof nbf === 'number' && nbf > now() + skewSeconds;
    const late = typeof exp !== 'number' || exp < now() - skewSeconds;
    if (early || late) throw new Refusal(700024, { now: at(now()), expires: at(exp) });
  };

  const byCertificate = async (client: App, realm: Realm, { jws, header, claims }: Assertion) => {
    if (claims.iss !== client.appId || claims.sub !== client.appId) throw new Refusal(700021);
    const segments = [realm.segment, realm.tenant?.tid, realm.tenant?.domain, 'common', 'organizations'];
    const audiences = segments.map((segment) => `${origin}/${segment}/oauth2/v2.0/token`);
    if (realm.tenant) audiences.push(`${origin}/${realm.tenant.tid}/v2.0`);
    if (!audiencesOf(claims).some((audience) => audiences.includes(audience))) throw new Refusal(700023);
    checkTimes(claims);
    for (const certificate of client.certificates.filter((pem) => pem !== 'generated').map(certificateOf)) {
      if (isNamed(certificate, header) && (await isSigned(jws, certificate.publicKey, ['RS256', 'PS256']))) return;
    }
    throw new Refusal(700027);
  };

  const byFederation = async (client: App, { jws, claims }: Assertion) => {
    const [issuer, subject] = [String(claims.iss), String(claims.sub)];
    const trusts = (credential: App['federated'][number]) =>
      credential.issuer === undefined ? federation.issuers.includes(issuer) : credential.issuer === issuer;
    const byIssuer = client.federated.filter(trusts);
    if (byIssuer.length === 0) throw new Refusal(700211, { value: issuer });
    const bySubject = byIssuer.filter((credential) => credential.subject === subject);
    if (bySubject.length === 0) throw new Refusal(700213, { value: subject });
    const audiences = audiencesOf(claims);
    if (!bySubject.some(({ audience }) => audiences.includes(audience))) {
      throw new Refusal(700212, { value: audiences.join(' ') });
    }
    let signed: boolean;
    try {
      signed = await isSigned(jws, await federation.keys(issuer), ['RS256', 'ES256']);
    } catch (error) {
      logger.warn({ event: 'federation.unreachable', issuer, error }, "an outside issuer's keys cannot be had");
      signed = false;
    }
    if (!signed) throw new Refusal(700027);
    checkTimes(claims);
  };

  return async (client, realm, { secret, assertion, assertionType: type, grant }) => {
    if (assertion !== undefined && type === assertionType) {
      const parsed = parseAssertion(assertion);
      // Only an outside issuer is a URL; an app that signs for itself is named by its id.
      const federated = typeof parsed.claims.iss === 'string' && /^https?:/.test(parsed.claims.iss);
      await (federated ? byFederation(client, parsed) : byCertificate(client, realm, parsed));
      return { kind: federated ? 'federated' : 'certificate', azpacr: '2' };
    }
    if (secret === undefined || secret === '') throw new Refusal(grant === 'client_credentials' ? 7000216 : 7000218);
    const found = client.secrets.find(({ value }) => value === secret);
    if (!found) throw new Refusal(7000215, { client: client.appId });
    if (found.expires && Date.parse(found.expires) < now() * 1000) throw new Refusal(7000222, { client: client.appId });
    return { kind: 'secret', azpacr: '1' };
  };
}

/** A public client proves nothing. @throws Refusal 700025 if it means to. */
export function authenticatePublic({ secret, assertion }: Credentials): ClientAuthentication {
  if (secret || assertion) throw new Refusal(700025);
  return { kind: 'none', azpacr: '0' };
}

function parseAssertion(jws: string): Assertion {
  const [header, claims] = jws.split('.').map(decode);
  if (!header || !claims) throw new Refusal(50027);
  return { jws, header, claims };
}

/** Whether a key signed it; an error that is not about the token (an unreachable issuer) is thrown on. */
async function isSigned(jws: string, key: Parameters<typeof compactVerify>[1], algorithms: string[]): Promise<boolean> {
  try {
    await compactVerify(jws, key, { algorithms });
    return true;
  } catch (error) {
    const aboutToken = error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC';
    if (aboutToken && !(error instanceof errors.JWKSTimeout)) return false;
    throw error;
  }
}

type Certificate = { publicKey: KeyObject; sha1: Buffer; sha256: Buffer };

function readCertificate(pem: string): Certificate {
  const certificate = new X509Certificate(pem);
  const thumbprint = (hex: string) => Buffer.from(hex.replaceAll(':', ''), 'hex');
  return {
    publicKey: certificate.publicKey,
    sha1: thumbprint(certificate.fingerprint),
    sha256: thumbprint(certificate.fingerprint256),
  };
}

/**
 * Whether an assertion's header says that this certificate signed it: Entra looks for the key by thumbprint and tries no
 * other. `kid` counts where neither `x5t` stands beside it. Learn: "Certificate credentials"; RFC 7515 section 4.1.
 */
function isNamed({ sha1, sha256 }: Certificate, { x5t, kid, 'x5t#S256': x5tS256 }: Claims): boolean {
  // MSAL Python pads its thumbprints, MSAL Go writes them in base64 proper; Entra reads all.
  const says = (value: unknown, hash: Buffer) => typeof value === 'string' && Buffer.from(value, 'base64').equals(hash);
  const saysHex = (value: unknown, hash: Buffer) =>
    typeof value === 'string' && value.toLowerCase() === hash.toString('hex');
  if (x5t === undefined && x5tS256 === undefined) {
    return [sha1, sha256].some((hash) => says(kid, hash) || saysHex(kid, hash));
  }
  return (x5t === undefined || says(x5t, sha1)) && (x5tS256 === undefined || says(x5tS256, sha256));
}

function audiencesOf({ aud }: Claims): string[] {
  return [aud].flat().filter((value) => typeof value === 'string');
}
