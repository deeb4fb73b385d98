import { isSecureContext } from '@onbehalf/node/core/address';
import { discoveryDocument } from '@onbehalf/node/core/keys/authority';
import { NoKeys } from '@onbehalf/node/core/keys/kept-keys';
import { EnvHttpProxyAgent, fetch as fetchWith } from 'undici';
import { clusterKeysTimeoutMs } from '../lifetimes.ts';

export type IssuerOptions = {
  /** The cluster's OIDC issuer, exactly as in its tokens. */
  issuer: string;
  /** URL of its keys; by default from its discovery document. */
  jwksUri?: string | undefined;
  /** A CA bundle as PEM, if a private CA issued the certificate of the issuer. */
  ca?: string | undefined;
  /** The pod's own ServiceAccount token for the API server: sent only if a request without it is refused. */
  token?: (() => Promise<string>) | undefined;
  /** Allows keys over plain HTTP from another host. */
  allowPlaintext?: boolean | undefined;
};

/** An API server offers its document as JSON and its keys as a JWK set, and responds with 406 to whoever asks for the other alone. */
const accepted = 'application/jwk-set+json, application/json';
/** A cluster has only a few keys. */
const maxDocumentBytes = 1_048_576;

/**
 * Returns the function that fetches the cluster's JWKS, from `jwksUri` or by OIDC discovery. The discovered URL is used
 * until it returns no keys. Kubernetes: "ServiceAccount issuer discovery".
 * @throws Error with a code: that of the system, or e.g. `HTTP_403` for a response of the issuer.
 */
export function clusterIssuer({ issuer, jwksUri, ca, token, allowPlaintext }: IssuerOptions): () => Promise<unknown> {
  const dispatcher = new EnvHttpProxyAgent({
    maxResponseSize: maxDocumentBytes,
    ...{ connect: { ca }, requestTls: { ca } },
  });
  /** The only URLs that get the token: never one from a discovery document, never over plain HTTP. */
  const ownUrls = new Set([issuer, ...(jwksUri ? [jwksUri] : [])].map((url) => new URL(url)).filter(isSecureContext));
  const mayHaveToken = (url: string) => [...ownUrls].some(({ origin }) => origin === new URL(url).origin);
  let discovered: string | undefined;

  async function get(url: string, headers: Record<string, string> = {}) {
    const signal = AbortSignal.timeout(clusterKeysTimeoutMs);
    const response = await fetchWith(url, {
      ...{ dispatcher, signal, redirect: 'manual' },
      headers: { Accept: accepted, ...headers },
    });
    if (response.status !== 200) await response.body?.cancel();
    return response;
  }

  async function read(url: string): Promise<unknown> {
    if (!allowPlaintext && !isSecureContext(new URL(url))) throw new NoKeys('PLAIN_HTTP');
    let response = await get(url);
    if ([401, 403].includes(response.status) && token && mayHaveToken(url)) {
      response = await get(url, { Authorization: `Bearer ${await token()}` });
    }
    if (response.status !== 200) throw new NoKeys(`HTTP_${response.status}`);
    return await response.json();
  }

  async function discover(): Promise<string> {
    const document = discoveryDocument.parse(
      await read(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
    );
    if (document.issuer !== issuer) throw new NoKeys('OTHER_ISSUER');
    return document.jwks_uri;
  }

  return async () => {
    if (jwksUri) return await read(jwksUri);
    discovered ??= await discover();
    try {
      return await read(discovered);
    } catch (error) {
      discovered = undefined;
      throw error;
    }
  };
}
