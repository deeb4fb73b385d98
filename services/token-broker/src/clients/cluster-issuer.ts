import { discoveryDocument } from '@onbehalf/chassis/auth/authority';
import { NoKeys } from '@onbehalf/chassis/auth/kept-keys';
import { isSecureContext } from '@onbehalf/chassis/config/config';
import { EnvHttpProxyAgent, fetch as fetchWith } from 'undici';
import { clusterKeysTimeoutMs } from '../lifetimes.ts';

export type IssuerOptions = {
  /** The cluster's OIDC issuer, to the character. */
  issuer: string;
  /** Where its keys are; unset: as its discovery document says. */
  jwksUri?: string | undefined;
  /** The CA bundle's text, where the issuer's certificate is from a private one. */
  ca?: string | undefined;
  /** The pod's own ServiceAccount token for the API server: asked with only where nobody may ask without. */
  token?: (() => Promise<string>) | undefined;
  /** Lets keys come over plain HTTP from elsewhere than this host. */
  allowPlaintext?: boolean | undefined;
};

/** A cluster has a handful of keys. */
const largestDocumentBytes = 1_048_576;

/**
 * Gives the function that fetches the cluster's JWKS: from `jwksUri`, else by OIDC discovery, whose answer stays until
 * its address gives no keys. Kubernetes: "ServiceAccount issuer discovery".
 * @throws Error with a code that says why: the system's, or `HTTP_403` of an issuer.
 */
export function clusterIssuer({ issuer, jwksUri, ca, token, allowPlaintext }: IssuerOptions): () => Promise<unknown> {
  const dispatcher = new EnvHttpProxyAgent({
    maxResponseSize: largestDocumentBytes,
    ...(ca !== undefined && { connect: { ca }, requestTls: { ca } }),
  });
  /** The token goes nowhere else: not where a discovery document points, not in the clear. */
  const trusted = new Set([issuer, ...(jwksUri ? [jwksUri] : [])].map((url) => new URL(url)).filter(isSecureContext));
  const mayHaveToken = (url: string) => [...trusted].some(({ origin }) => origin === new URL(url).origin);
  let discovered: string | undefined;

  async function get(url: string, headers: Record<string, string> = {}) {
    const signal = AbortSignal.timeout(clusterKeysTimeoutMs);
    const response = await fetchWith(url, {
      ...{ dispatcher, signal, redirect: 'manual' },
      headers: { Accept: 'application/json', ...headers },
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
