import { strict as assert } from 'node:assert';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { openRig, type Rig } from './rig.fake.ts';

describe('a certificate assertion', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  after(() => rig.emulator.close());

  const pair = () => rig.emulator.clientCertificates.web ?? assert.fail('web has no certificate');
  const thumbprint = (algorithm: 'sha1' | 'sha256', encoding: 'base64url' | 'hex' = 'base64url') =>
    createHash(algorithm).update(new X509Certificate(pair().cert).raw).digest(encoding);

  /** Asks with an assertion under this header that the right key signed. */
  const ask = async (header: object) => {
    const { web } = rig.ids.apps;
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: web, sub: web, aud: `${rig.authority}/oauth2/v2.0/token`, nbf: now, exp: now + 600 };
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header });
    const { status, body } = await rig.post({
      ...{ client_id: web, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' },
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await jwt.sign(createPrivateKey(pair().key)),
    });
    return status === 200 ? 'a token' : [status, body.error, body.error_codes[0]];
  };

  it('is taken that names its certificate by either thumbprint, padded or not', async () => {
    const padded = Buffer.from(thumbprint('sha1'), 'base64url').toString('base64');
    assert.match(padded, /=$/);
    for (const header of [
      { 'x5t#S256': thumbprint('sha256') },
      { x5t: thumbprint('sha1') },
      { x5t: padded.replaceAll('+', '-').replaceAll('/', '_') },
      { x5t: thumbprint('sha1'), 'x5t#S256': thumbprint('sha256'), kid: 'a name of its own' },
      { kid: thumbprint('sha1') },
      { kid: thumbprint('sha1', 'hex').toUpperCase() },
      { kid: thumbprint('sha256', 'hex') },
    ]) {
      assert.equal(await ask(header), 'a token', JSON.stringify(header));
    }
  });

  it('is 700027 that names none or another, whoever signed it', async () => {
    for (const header of [
      {},
      { 'x5t#S256': thumbprint('sha1') },
      { x5t: thumbprint('sha256') },
      { x5t: 'wrong' },
      { x5t: '' },
      { x5t: 1 },
      { x5t: 'wrong', 'x5t#S256': thumbprint('sha256') },
      { x5t: 'wrong', kid: thumbprint('sha1') },
      { kid: 'wrong' },
      { kid: '' },
    ]) {
      assert.deepEqual(await ask(header), [401, 'invalid_client', 700027], JSON.stringify(header));
    }
  });
});
