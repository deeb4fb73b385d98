import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeRsaKey } from '@onbehalf/node/core/keys/rsa.fake';
import { exportJWK, SignJWT } from 'jose';

/** An outside issuer as a cluster is one: discovery, keys, ServiceAccount tokens. */
export async function fakeIssuer() {
  const pairs = [await createPair('first')];
  let fetched = 0;
  const server = createServer((req, res) => {
    res.setHeader('Content-Type', 'application/json');
    if (req.url === '/jwks') {
      fetched += 1;
      return res.end(JSON.stringify({ keys: pairs.map(({ jwk }) => jwk) }));
    }
    return res.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks` }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    /** How often the keys were fetched. */
    fetched: () => fetched,
    /** From now on another key signs. */
    async rotate() {
      pairs.push(await createPair(`key-${pairs.length}`));
    },
    token(claims: Record<string, unknown> = {}): Promise<string> {
      const { kid, privateKey } = pairs.at(-1) as (typeof pairs)[number];
      const now = Math.floor(Date.now() / 1000);
      const subject = 'system:serviceaccount:onbehalf:token-broker';
      const audience = ['api://AzureADTokenExchange'];
      return new SignJWT({ iss: url, sub: subject, aud: audience, iat: now, nbf: now, exp: now + 600, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(privateKey);
    },
    close: () => new Promise((closed) => server.close(closed)),
  };
}

async function createPair(kid: string) {
  const { privateKey, publicKey } = makeRsaKey();
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
}
