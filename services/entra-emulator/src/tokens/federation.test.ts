import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { Federation } from './federation.ts';
import { openTls } from './tls.ts';

/** A cluster's API server: its own CA, and every request needs a token. */
describe("an outside issuer's keys", () => {
  const closing = new AsyncDisposableStack();
  let issuer: string;
  let files: { caFile: string; bearerTokenFile: string };
  let token: string;
  before(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'federation-'));
    closing.defer(() => rm(directory, { recursive: true }));
    const { ca, cert, key } = await openTls(['127.0.0.1'], undefined);
    files = { caFile: join(directory, 'ca.crt'), bearerTokenFile: join(directory, 'token') };
    await writeFile(files.caFile, ca);
    await writeFile(files.bearerTokenFile, 'let-me-in\n');
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    const server = createServer({ cert, key }, (req, res) => {
      if (req.headers.authorization !== 'Bearer let-me-in') return res.writeHead(401).end();
      return res.end(JSON.stringify(req.url === '/jwks' ? { keys: [jwk] } : { jwks_uri: `${issuer}/jwks` }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.defer(() => void server.close());
    issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    token = await new SignJWT({ iss: issuer }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
  });
  after(() => closing.disposeAsync());

  it('are found by discovery behind its own CA and a bearer token', async () => {
    const federation = new Federation([{ issuer, ...files }]);
    const { payload } = await jwtVerify(token, await federation.keys(issuer));
    assert.equal(payload.iss, issuer);
  });

  it('cannot be had without its CA or without the token', async () => {
    await assert.rejects(new Federation([{ issuer, bearerTokenFile: files.bearerTokenFile }]).keys(issuer));
    await assert.rejects(new Federation([{ issuer, caFile: files.caFile }]).keys(issuer), /401/);
  });
});
