import { strict as assert } from 'node:assert';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { openRig, type Rig } from './rig.fake.ts';
import { issueClientCertificate } from './tokens/tls.ts';

describe('a certificate assertion', () => {
  let rig: Rig;
  let pair: { cert: string; key: string };
  before(async () => {
    rig = await openRig();
    pair = await issueClientCertificate('web');
    // Base64 and base64url are to differ.
    while (!/[+/]/.test(base64('sha1')) || !/[+/]/.test(base64('sha256'))) pair = await issueClientCertificate('web');
    await rig.admin('PATCH', '/apps/web', { certificates: [pair.cert] });
  });
  after(() => rig.emulator.close());

  const thumbprint = (algorithm: 'sha1' | 'sha256', encoding: 'base64url' | 'hex' = 'base64url') =>
    createHash(algorithm).update(new X509Certificate(pair.cert).raw).digest(encoding);
  const base64 = (algorithm: 'sha1' | 'sha256') => Buffer.from(thumbprint(algorithm), 'base64url').toString('base64');

  /** Asks with an assertion under this header that the right key signed. */
  const ask = async (header: object) => {
    const { web } = rig.ids.apps;
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: web, sub: web, aud: `${rig.authority}/oauth2/v2.0/token`, nbf: now, exp: now + 600 };
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header });
    const { status, body } = await rig.post({
      ...{ client_id: web, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' },
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await jwt.sign(createPrivateKey(pair.key)),
    });
    return status === 200 ? 'a token' : [status, body.error, body.error_codes[0]];
  };

  it('is taken that names its certificate by either thumbprint, in base64url, padded or not, or in base64', async () => {
    assert.match(base64('sha1'), /=$/);
    for (const header of [
      { 'x5t#S256': thumbprint('sha256') },
      { x5t: thumbprint('sha1') },
      { x5t: base64('sha1').replaceAll('+', '-').replaceAll('/', '_') },
      { x5t: base64('sha1'), 'x5t#S256': base64('sha256') },
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
