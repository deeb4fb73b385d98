import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';

/** What the kubelet asks for our workloads; it renews at 80 % of the life, as this does. */
const lifetimeSeconds = 600;
const renewAt = 0.8;

type ServiceAccount = { namespace: string; name: string; audience: string };

/** The API server of a cluster, as far as its OIDC issuer goes. */
export type Cluster = AsyncDisposable & {
  issuer: string;
  jwksUri: string;
  /** A projected ServiceAccount token: mounted as a file, renewed in place. Gives the path. */
  mountToken(account: ServiceAccount): Promise<string>;
  /** A token as `mountToken` writes it, with any claim replaced: for what a caller should not get away with. */
  mint(account: ServiceAccount, claims?: Record<string, unknown>): Promise<string>;
  /** Whether discovery and JWKS can be reached; tokens are mounted and minted either way. */
  reachable: boolean;
};

/** The subject Kubernetes gives a ServiceAccount. */
export function subjectOf({ namespace, name }: Pick<ServiceAccount, 'namespace' | 'name'>): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/**
 * Plays the API server's OIDC issuer: discovery, JWKS, and ServiceAccount tokens in files under `directory`. On a free
 * loopback port, unless others reach it by another name. Kubernetes documentation: "ServiceAccount token volume
 * projection", "ServiceAccount issuer discovery".
 */
export async function openCluster(
  directory: string,
  at: { name: string; host: string; port: number } = { name: '127.0.0.1', host: '127.0.0.1', port: 0 },
): Promise<Cluster> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const documents: Record<string, () => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer,
      jwks_uri: `${issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    }),
    '/openid/v1/jwks': () => ({ keys: [{ ...jwk, kid, alg: 'RS256', use: 'sig' }] }),
  };
  const server = createServer((req, res) => {
    if (!cluster.reachable) return void req.socket.destroy();
    const document = documents[req.url ?? ''];
    res.writeHead(document ? 200 : 404, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(document ? document() : { error: 'not found' }));
  }).listen(at.port, at.host);
  await once(server, 'listening');
  const issuer = `http://${at.name}:${(server.address() as AddressInfo).port}`;
  const timers: NodeJS.Timeout[] = [];

  const mint: Cluster['mint'] = ({ namespace, name, audience }, claims = {}) => {
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({
      aud: [audience],
      exp: now + lifetimeSeconds,
      iat: now,
      nbf: now,
      iss: issuer,
      jti: randomUUID(),
      sub: subjectOf({ namespace, name }),
      'kubernetes.io': { namespace, serviceaccount: { name, uid: randomUUID() } },
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(privateKey);
  };

  const cluster: Cluster = {
    reachable: true,
    issuer,
    jwksUri: `${issuer}/openid/v1/jwks`,
    mint,
    async mountToken(account) {
      const folder = join(directory, account.namespace, account.name);
      const path = join(folder, account.audience.replace(/[^A-Za-z0-9.-]+/g, '-'));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const write = async () => {
        await writeFile(`${path}.next`, await mint(account), { mode: 0o600 });
        // A reader sees the old token or the new one, never half of one.
        await rename(`${path}.next`, path);
      };
      await write();
      timers.push(setInterval(write, lifetimeSeconds * renewAt * 1_000).unref());
      return path;
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return cluster;
}
