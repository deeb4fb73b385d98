import { readFile } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:https';
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

/** An outside issuer whose tokens an app registration may trust, and how to reach its keys. */
export const federatedIssuerSchema = z.strictObject({
  issuer: z.url(),
  /** Default: as its discovery document says. */
  jwksUri: z.url().optional(),
  /** The CA of its server, PEM; Kubernetes has its own. */
  caFile: z.string().optional(),
  /** A file with a bearer token for its server: kind's API server requires one. */
  bearerTokenFile: z.string().optional(),
});

export type FederatedIssuer = z.output<typeof federatedIssuerSchema>;

const timeoutMs = 5_000;
const maxBytes = 1_000_000;

/** The key sets of outside issuers: fetched when first needed, and again for an unknown `kid`, at most once a second. */
export class Federation {
  readonly #issuers: readonly FederatedIssuer[];
  readonly #keySets = new Map<string, Promise<JWTVerifyGetKey>>();

  constructor(issuers: readonly FederatedIssuer[]) {
    this.#issuers = issuers;
  }

  /** Whether the emulator was told of this issuer. */
  trusts(issuer: string): boolean {
    return this.#issuers.some((each) => each.issuer === issuer);
  }

  /** The keys of an issuer. @throws Error if its discovery document cannot be fetched. */
  keys(issuer: string): Promise<JWTVerifyGetKey> {
    const keys = this.#keySets.get(issuer) ?? this.#open(issuer);
    this.#keySets.set(issuer, keys);
    // An issuer that could not be reached is tried again next time.
    keys.catch(() => this.#keySets.delete(issuer));
    return keys;
  }

  async #open(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.#issuers.find((candidate) => candidate.issuer === issuer) ?? { issuer };
    const jwksUri = known.jwksUri ?? (await discoverKeys(known));
    return createRemoteJWKSet(new URL(jwksUri), {
      cooldownDuration: 1_000,
      [customFetch]: async (url) => new Response(await fetchText(url, known)),
    });
  }
}

async function discoverKeys(known: FederatedIssuer): Promise<string> {
  const url = `${known.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document: unknown = JSON.parse(await fetchText(url, known));
  return z.object({ jwks_uri: z.url() }).parse(document).jwks_uri;
}

async function fetchText(url: string, { caFile, bearerTokenFile }: FederatedIssuer): Promise<string> {
  const headers = bearerTokenFile
    ? { authorization: `Bearer ${(await readFile(bearerTokenFile, 'utf8')).trim()}` }
    : {};
  if (!caFile) {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`The issuer responded ${response.status}`);
    return response.text();
  }
  return getWithCa(url, { headers, ca: await readFile(caFile), signal: AbortSignal.timeout(timeoutMs) });
}

/** Node's own `fetch` cannot be given a CA. */
function getWithCa(url: string, options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('error', reject);
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxBytes) response.destroy(new Error('The response of the issuer is too long'));
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`The issuer responded ${response.statusCode}`)),
      );
    })
      .on('error', reject)
      .end();
  });
}
