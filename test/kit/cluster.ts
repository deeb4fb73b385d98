import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';

/** What the kubelet asks for our workloads; it renews at 80 % of the life, as this does. */
const lifetimeSeconds = 600;
const renewAt = 0.8;

type ServiceAccount = { namespace: string; name: string; audience: string };

/** The subject Kubernetes gives a ServiceAccount. */
export function subjectOf({ namespace, name }: Pick<ServiceAccount, 'namespace' | 'name'>): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

type Key = { privateKey: KeyObject; jwk: JWK; kid: string };

/**
 * The API server of a cluster as far as its OIDC issuer goes: discovery, JWKS and ServiceAccount tokens. Kubernetes
 * documentation: "ServiceAccount token volume projection", "ServiceAccount issuer discovery".
 */
export class Cluster implements AsyncDisposable {
  readonly issuer: string;
  readonly jwksUri: string;
  /** Whether discovery and JWKS can be reached; tokens are mounted and minted either way. */
  reachable = true;
  readonly #server: Server;
  readonly #directory: string;
  readonly #key: Key;
  readonly #timers: NodeJS.Timeout[] = [];

  /** @param server listens already; others reach it as the host `name`. */
  constructor(server: Server, name: string, directory: string, key: Key) {
    this.issuer = `http://${name}:${(server.address() as AddressInfo).port}`;
    this.jwksUri = `${this.issuer}/openid/v1/jwks`;
    this.#server = server.on('request', (req, res) => this.#serve(req, res));
    this.#directory = directory;
    this.#key = key;
  }

  /** A projected ServiceAccount token: mounted as a file, renewed in place. Gives the path. */
  async mountToken(account: ServiceAccount): Promise<string> {
    const folder = join(this.#directory, account.namespace, account.name);
    const path = join(folder, account.audience.replace(/[^A-Za-z0-9.-]+/g, '-'));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const write = async () => {
      await writeFile(`${path}.next`, await this.mint(account), { mode: 0o600 });
      // A reader sees the old token or the new one, never half of one.
      await rename(`${path}.next`, path);
    };
    await write();
    this.#timers.push(setInterval(write, lifetimeSeconds * renewAt * 1_000).unref());
    return path;
  }

  /** A token as `mountToken` writes it, with any claim replaced: for what a caller should not get away with. */
  mint({ namespace, name, audience }: ServiceAccount, claims: Record<string, unknown> = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({
      ...{ aud: [audience], exp: now + lifetimeSeconds, iat: now, nbf: now, iss: this.issuer, jti: randomUUID() },
      sub: subjectOf({ namespace, name }),
      'kubernetes.io': { namespace, serviceaccount: { name, uid: randomUUID() } },
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: this.#key.kid })
      .sign(this.#key.privateKey);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve({ url = '', socket }: IncomingMessage, res: ServerResponse): void {
    if (!this.reachable) return void socket.destroy();
    const document = this.#documents()[url];
    res.writeHead(document ? 200 : 404, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(document ?? { error: 'not found' }));
  }

  #documents(): Record<string, object> {
    const { jwk, kid } = this.#key;
    return {
      '/.well-known/openid-configuration': {
        issuer: this.issuer,
        jwks_uri: this.jwksUri,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      },
      '/openid/v1/jwks': { keys: [{ ...jwk, kid, alg: 'RS256', use: 'sig' }] },
    };
  }
}

/**
 * Opens a cluster with tokens under `directory`, on a free loopback port unless others reach it by another name. It signs
 * by a key of its own, or by the one given.
 */
export async function openCluster(
  directory: string,
  at: { name: string; host: string; port: number } = { name: '127.0.0.1', host: '127.0.0.1', port: 0 },
  { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 }),
): Promise<Cluster> {
  const jwk = await exportJWK(publicKey);
  const server = createServer().listen(at.port, at.host);
  await once(server, 'listening');
  return new Cluster(server, at.name, directory, { privateKey, jwk, kid: await calculateJwkThumbprint(jwk) });
}
