import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { makeKey } from '@onbehalf/node/core/keys/issuer.fake';
import { issueCertificate } from '../credentials/certificate.fake.ts';
import { parsePublicKeys } from './public-keys.ts';

const key = makeKey();
const jwk = key.publicKey.export({ format: 'jwk' });
const pem = String(key.publicKey.export({ type: 'spki', format: 'pem' }));
const jwks = (...keys: object[]) => JSON.stringify({ keys });

describe('a file of public keys', () => {
  it('is a JWKS, or PEM of keys and certificates', async () => {
    const header = { alg: 'RS256' };
    const pkcs1 = String(key.publicKey.export({ type: 'pkcs1', format: 'pem' }));
    for (const text of [jwks(jwk), pem, ` ${pkcs1}`, issueCertificate('gateway').certificate]) {
      assert.ok(await parsePublicKeys(text)(header, { payload: '', signature: '' }));
    }
  });

  it('may hold every kind that a public key signs with', async () => {
    for (const alg of ['ES256', 'EdDSA']) {
      const pair =
        alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const keys = parsePublicKeys(jwks(pair.publicKey.export({ format: 'jwk' })));
      assert.ok(await keys({ alg }, { payload: '', signature: '' }), alg);
    }
  });

  const rows: [what: string, text: string][] = [
    ['nothing', 'canary'],
    ['half a JWKS', '{"keys": ["canary"'],
    ['a JWKS without keys', jwks()],
    ['a single JWK', JSON.stringify(jwk)],
    ['a private JWK', jwks({ ...jwk, d: 'canary' })],
    ['a shared key', jwks({ kty: 'oct', k: 'canary' })],
    ['17 keys', jwks(...Array(17).fill(jwk))],
    ['a private key', String(key.privateKey.export({ type: 'pkcs8', format: 'pem' }))],
    ['a private key beside the public one', pem + String(key.privateKey.export({ type: 'pkcs8', format: 'pem' }))],
    ['PEM that is cut', pem.replace(/\n.{20}/, '\n')],
  ];
  for (const [what, text] of rows) {
    it(`is refused for ${what}, without quoting it`, () => {
      assert.throws(
        () => parsePublicKeys(text),
        (error) => error instanceof ConfigError && !/canary|MII/.test(error.message),
      );
    });
  }
});
