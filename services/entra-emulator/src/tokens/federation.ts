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
  /** A bearer token that its server wants (kind: the API server lets nobody in unasked). */
  bearerTokenFile: z.string().optional(),
});

export type FederatedIssuer = z.output<typeof federatedIssuerSchema>;

const timeoutMs = 5_000;
const maxBytes = 1_000_000;

/** The key sets of outside issuers, each fetched when first needed and again for an unknown `kid`, at most once a second. */
export function createFederation(issuers: readonly FederatedIssuer[]) {
  const keySets = new Map<string, Promise<JWTVerifyGetKey>>();
  const open = async (issuer: string): Promise<JWTVerifyGetKey> => {
    const known = issuers.find((candidate) => candidate.issuer === issuer) ?? { issuer };
    const fetchOne = (url: string) => fetchText(url, known);
    const discovery = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const jwksUri =
      known.jwksUri ?? z.object({ jwks_uri: z.url() }).parse(JSON.parse(await fetchOne(discovery))).jwks_uri;
    return createRemoteJWKSet(new URL(jwksUri), {
      cooldownDuration: 1_000,
      [customFetch]: async (url) => new Response(await fetchOne(url)),
    });
  };
  return {
    issuers: issuers.map(({ issuer }) => issuer),
    keys(issuer: string): Promise<JWTVerifyGetKey> {
      const keys = keySets.get(issuer) ?? open(issuer);
      keySets.set(issuer, keys);
      // An issuer that was away is asked again next time.
      keys.catch(() => keySets.delete(issuer));
      return keys;
    },
  };
}

async function fetchText(url: string, { caFile, bearerTokenFile }: FederatedIssuer): Promise<string> {
  const headers = bearerTokenFile
    ? { authorization: `Bearer ${(await readFile(bearerTokenFile, 'utf8')).trim()}` }
    : {};
  if (!caFile) {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`The issuer answered ${response.status}`);
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
        if (body.length > maxBytes) response.destroy(new Error('The issuer answered too much'));
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`The issuer answered ${response.statusCode}`)),
      );
    })
      .on('error', reject)
      .end();
  });
}
