import { createHmac, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { openServer } from '../server.fake.ts';
import { makeRsaKey } from './rsa.fake.ts';

/** Claims, header and key of a token to forge; the key is one of the issuer's, or any other. */
export type Forgery = { header?: Record<string, unknown>; key?: KeyObject };

export type FakeIssuer = Awaited<ReturnType<typeof openIssuer>>;

/**
 * A stand-in for Entra in tests of token validation: an RSA key of its own, served for every tenant, and tokens of any
 * shape. Written without jose, so that it does not share the mistakes of what it tests.
 */
export async function openIssuer() {
  const active = makeKey();
  const published = new Map([[active.kid, active.publicKey]]);
  const fetches: string[] = [];
  const sent: IncomingHttpHeaders[] = [];
  let status = 200;
  let spoken: string | undefined;
  let elsewhere: string | undefined;
  const server = await openServer((req, res) => {
    if (!req.headers.accept?.includes('application/json')) return void res.writeHead(406).end();
    const [, named, discovery] = /^\/([^/]+)\/v2\.0(\/\.well-known\/openid-configuration)$/.exec(req.url ?? '') ?? [];
    if (discovery && status === 200) {
      const segment = /^(organizations|common)$/.test(named ?? '') ? '{tenantid}' : named;
      const document = { issuer: `${origin}/${segment}/v2.0`, jwks_uri: elsewhere ?? `${origin}/${named}/published` };
      return void res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document));
    }
    fetches.push(req.url ?? '');
    sent.push(req.headers);
    const keys = [...published].map(([kid, key]) => ({ ...key.export({ format: 'jwk' }), kid, use: 'sig' }));
    res.writeHead(status, { 'Content-Type': 'application/json' }).end(spoken ?? JSON.stringify({ keys }));
  });
  const { origin } = server;
  const { tenant, audience, client } = { tenant: randomUUID(), audience: randomUUID(), client: randomUUID() };
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const times = { iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 3_600 };
  const common = { aud: audience, iss: `${origin}/${tenant}/v2.0`, ...times, tid: tenant, azp: client, ver: '2.0' };

  return {
    ...{ origin, tenant, audience, client, active, fetches, sent, nowSeconds },
    /** Makes the key address answer with this status, and with this in place of the keys. */
    answer: (next: number, body?: string) => {
      status = next;
      spoken = body;
    },
    /** Names this address as that of the keys. */
    pointTo: (keysUri: string) => {
      elsewhere = keysUri;
    },
    /** Serves one more key. */
    publish: ({ kid, publicKey }: Key) => published.set(kid, publicKey),
    /** Serves that key no more. */
    withdraw: ({ kid }: Key) => published.delete(kid),
    /** A user's access token as Entra makes it, but for what is given. */
    user: (claims: object = {}, forgery?: Forgery) => {
      const [oid, sub] = [randomUUID(), randomBytes(32).toString('base64url')];
      const person = { oid, sub, name: 'Alice', preferred_username: 'alice@contoso.test', scp: 'access_as_user' };
      return forge({ ...common, ...person, ...claims }, active, forgery);
    },
    /** An app-only access token as Entra makes it, but for what is given. */
    app: (claims: object = {}, forgery?: Forgery) => {
      const oid = randomUUID();
      return forge({ ...common, oid, sub: oid, roles: ['Reports.Read'], ...claims }, active, forgery);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

type Key = ReturnType<typeof makeKey>;

export function makeKey() {
  return { kid: randomBytes(9).toString('base64url'), ...makeRsaKey() };
}

/** Signs by the header's `alg`, whatever key is given. Members that are undefined are left out. */
function forge(claims: object, active: Key, { header = {}, key = active.privateKey }: Forgery = {}): string {
  const full = { typ: 'JWT', alg: 'RS256', kid: active.kid, ...header };
  const input = `${encode(full)}.${encode(claims)}`;
  return `${input}.${signatureOf(String(full.alg), input, key).toString('base64url')}`;
}

function signatureOf(alg: string, input: string, key: KeyObject): Buffer {
  if (alg === 'none') return Buffer.alloc(0);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS')) {
    const secret = key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'pem' });
    return createHmac(hash, secret).update(input).digest();
  }
  const pss = alg.startsWith('PS') ? { padding: 6, saltLength: -1 } : {};
  return sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363', ...pss });
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
