import { strict as assert } from 'node:assert';
import { after, before, describe, it } from 'node:test';
import { JwtVerifier } from 'aws-jwt-verify';
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { openRig, type Rig } from './rig.fake.ts';

describe('the signing keys', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  after(() => rig.emulator.close());

  const jwks = async () => (await (await fetch(`${rig.authority}/discovery/v2.0/keys`)).json()) as JSONWebKeySet;
  const token = async () => {
    const form = { ...rig.job, grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' };
    return (await rig.post(form)).body.access_token;
  };
  const kid = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString()).kid as string;
  const kids = async () => (await jwks()).keys.map((key) => key.kid);

  it('are published in the shape of Entra, and cannot be activated unstaged', async () => {
    const [key] = (await jwks()).keys;
    assert.deepEqual(Object.keys(key ?? {}), ['kty', 'use', 'kid', 'x5t', 'n', 'e', 'issuer']);
    await assert.rejects(rig.admin('POST', '/keys/activate'), /409/);
  });

  it('roll over under clients that hold the old ones', async () => {
    const url = `${rig.authority}/discovery/v2.0/keys`;
    const remote = createRemoteJWKSet(new URL(url), { cooldownDuration: 0 });
    const held = createLocalJWKSet(await jwks());
    const aws = JwtVerifier.create({ issuer: `${rig.authority}/v2.0`, audience: rig.ids.apps.api, jwksUri: url });
    const first = await token();
    await Promise.all([jwtVerify(first, remote), jwtVerify(first, held), aws.verify(first)]);

    await rig.admin('POST', '/keys/stage');
    assert.equal((await kids()).length, 2);
    assert.equal(kid(await token()), kid(first), 'a staged key does not sign');

    await rig.admin('POST', '/keys/activate');
    const second = await token();
    assert.notEqual(kid(second), kid(first));
    await jwtVerify(second, remote);
    await aws.verify(second);
    await assert.rejects(jwtVerify(second, held), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await jwtVerify(first, createRemoteJWKSet(new URL(url)));

    await rig.admin('POST', '/keys/retire');
    assert.deepEqual(await kids(), [kid(second)]);
    const { token: forged } = await rig.admin('POST', '/mint', { claims: { aud: rig.ids.apps.api }, key: 'retired' });
    assert.equal(kid(forged), kid(first));
    await assert.rejects(jwtVerify(forged, createRemoteJWKSet(new URL(url))), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await jwtVerify(forged, held);
    await assert.rejects(rig.admin('POST', '/keys/activate'), /409/);
  });
});
