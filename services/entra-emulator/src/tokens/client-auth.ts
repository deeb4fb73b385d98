import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { compactVerify, errors } from 'jose';
import { isTokenExchange, toAgentSubject } from '../directory/agents.ts';
import type { Directory, Realm } from '../directory/directory.ts';
import type { App } from '../directory/seed.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Certificate, isNamed, readCertificate } from './client-certificate.ts';
import type { Federation } from './federation.ts';
import { type Claims, decode } from './jwt.ts';
import type { Keys } from './keys.ts';

/** How a client was authenticated. `azpacr`: 0 = not at all, 1 = secret, 2 = certificate or (unverified) federated. */
export type ClientAuthentication = { kind: 'none' | 'secret' | 'certificate' | 'federated'; azpacr: '0' | '1' | '2' };

export type Credentials = {
  secret: string | undefined;
  assertion: string | undefined;
  assertionType: string | undefined;
  grant: string;
};

type Needs = {
  origin: string;
  now: () => number;
  issuerFor: (tid: string) => string;
  keys: Keys;
  directory: Directory;
  federation: Federation;
  logger: Logger;
};
type Assertion = { jws: string; header: Claims; claims: Claims };

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const skewSeconds = 300;

/** Client authentication as Entra does it: secret, `private_key_jwt`, or a federated assertion. RFC 6749, 7523. */
export class ClientAuthenticator {
  readonly #origin: string;
  readonly #now: () => number;
  readonly #issuerFor: (tid: string) => string;
  readonly #keys: Keys;
  readonly #directory: Directory;
  readonly #federation: Federation;
  readonly #logger: Logger;
  /** By PEM. */
  readonly #certificates = new Map<string, Certificate>();

  constructor({ origin, now, issuerFor, keys, directory, federation, logger }: Needs) {
    this.#origin = origin;
    this.#now = now;
    this.#issuerFor = issuerFor;
    this.#keys = keys;
    this.#directory = directory;
    this.#federation = federation;
    this.#logger = logger;
  }

  /** @throws Refusal of the credential, in the code that Entra gives. */
  async authenticate(client: App, realm: Realm, credentials: Credentials): Promise<ClientAuthentication> {
    const { assertion, assertionType } = credentials;
    if (assertion === undefined || assertionType !== jwtBearer) return this.#bySecret(client, credentials);
    const parsed = parseAssertion(assertion);
    // Only an outside issuer is a URL; an app that signs for itself is named by its id.
    const federated = typeof parsed.claims.iss === 'string' && /^https?:/.test(parsed.claims.iss);
    if (federated && client.agentIdentityBlueprintId) this.#byBlueprint(client, parsed);
    else await (federated ? this.#byFederation(client, parsed) : this.#byCertificate(client, realm, parsed));
    return { kind: federated ? 'federated' : 'certificate', azpacr: '2' };
  }

  #bySecret(client: App, { secret, grant }: Credentials): ClientAuthentication {
    if (secret === undefined || secret === '') throw new Refusal(grant === 'client_credentials' ? 7000216 : 7000218);
    const found = client.secrets.find(({ value }) => value === secret);
    if (!found) throw new Refusal(7000215, { client: client.appId });
    const expired = found.expires && Date.parse(found.expires) < this.#now() * 1000;
    if (expired) throw new Refusal(7000222, { client: client.appId });
    return { kind: 'secret', azpacr: '1' };
  }

  async #byCertificate(client: App, realm: Realm, { jws, header, claims }: Assertion): Promise<void> {
    if (claims.iss !== client.appId || claims.sub !== client.appId) throw new Refusal(700021);
    const audiences = this.#audiences(realm);
    if (!readAudiences(claims).some((audience) => audiences.includes(audience))) throw new Refusal(700023);
    this.#checkTimes(claims);
    for (const pem of client.certificates.filter((each) => each !== 'generated')) {
      const certificate = this.#certificate(pem);
      if (isNamed(certificate, header) && (await isSigned(jws, certificate.publicKey, ['RS256', 'PS256']))) return;
    }
    throw new Refusal(700027);
  }

  /** What an assertion may name as `aud`: the token endpoint of any segment that leads to this tenant, or the issuer. */
  #audiences({ segment, tenant }: Realm): string[] {
    const segments = [segment, tenant?.tid, tenant?.domain, 'common', 'organizations'];
    const audiences = segments.map((each) => `${this.#origin}/${each}/oauth2/v2.0/token`);
    return tenant ? [...audiences, `${this.#origin}/${tenant.tid}/v2.0`] : audiences;
  }

  #certificate(pem: string): Certificate {
    const certificate = this.#certificates.get(pem) ?? readCertificate(pem);
    this.#certificates.set(pem, certificate);
    return certificate;
  }

  async #byFederation(client: App, { jws, claims }: Assertion): Promise<void> {
    const [issuer, subject] = [String(claims.iss), String(claims.sub)];
    const byIssuer = client.federated.filter((credential) =>
      credential.issuer === undefined ? this.#federation.trusts(issuer) : credential.issuer === issuer,
    );
    if (byIssuer.length === 0) throw new Refusal(700211, { value: issuer });
    const bySubject = byIssuer.filter((credential) => credential.subject === subject);
    if (bySubject.length === 0) throw new Refusal(700213, { value: subject });
    const audiences = readAudiences(claims);
    if (!bySubject.some(({ audience }) => audiences.includes(audience))) {
      throw new Refusal(700212, { value: audiences.join(' ') });
    }
    if (!(await this.#isSignedBy(issuer, jws))) throw new Refusal(700027);
    this.#checkTimes(claims);
  }

  /** An agent has no credential but the token that its blueprint got for it. Learn, "Agent OAuth flows". */
  #byBlueprint(client: App, { jws, claims }: Assertion): void {
    const issuer = String(claims.iss);
    if (issuer !== this.#issuerFor(client.tid)) throw new Refusal(700211, { value: issuer });
    const blueprint = this.#directory.findApp(client.agentIdentityBlueprintId ?? '');
    const subject = String(claims.sub);
    if (!blueprint || subject !== toAgentSubject(client.tid, blueprint, client.appId)) {
      throw new Refusal(700213, { value: subject });
    }
    const audience = this.#directory.findApp(String(claims.aud));
    if (!audience || !isTokenExchange(audience)) throw new Refusal(700212, { value: String(claims.aud) });
    if (!this.#keys.verify(jws)) throw new Refusal(700027);
    this.#checkTimes(claims);
  }

  async #isSignedBy(issuer: string, jws: string): Promise<boolean> {
    try {
      return await isSigned(jws, await this.#federation.keys(issuer), ['RS256', 'ES256']);
    } catch (error) {
      this.#logger.warn({ event: 'federation.unreachable', issuer, error }, "cannot fetch an outside issuer's keys");
      return false;
    }
  }

  #checkTimes({ nbf, exp }: Claims): void {
    const now = this.#now();
    const early = typeof nbf === 'number' && nbf > now + skewSeconds;
    const late = typeof exp !== 'number' || exp < now - skewSeconds;
    if (early || late) throw new Refusal(700024, { now: formatTime(now), expires: formatTime(exp) });
  }
}

/** A public client has no credential. @throws Refusal 700025 if it sends one. */
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

function readAudiences({ aud }: Claims): string[] {
  return [aud].flat().filter((value) => typeof value === 'string');
}

/** @param seconds epoch seconds, as a claim has them. */
function formatTime(seconds: unknown): string {
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : 'unknown';
}
