import { strict as assert } from 'node:assert';
import { type webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ClientCertificateCredential, OnBehalfOfCredential, WorkloadIdentityCredential } from '@azure/identity';
import { JwtVerifier } from 'aws-jwt-verify';
import express from 'express';
import { createRemoteJWKSet, importPKCS8, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { Strategy } from 'openid-client/passport';
import { Passport } from 'passport';
import { fakeIssuer } from './issuer.fake.ts';
import { createPerson } from './person.fake.ts';
import { apiScope, callback, graphScope, openRig, type Rig, readClaims, verifier } from './rig.fake.ts';

const appScope = 'api://onbehalf-api/.default';

describe('a client of another vendor', () => {
  let rig: Rig;
  let issuer: Awaited<ReturnType<typeof fakeIssuer>>;
  let directory: string;
  before(async () => {
    issuer = await fakeIssuer();
    rig = await openRig({ federatedIssuers: [{ issuer: issuer.url }] });
    directory = await mkdtemp(join(tmpdir(), 'emulator-'));
  });
  after(async () => {
    await rig.emulator.close();
    await issuer.close();
    await rm(directory, { recursive: true });
  });

  describe('openid-client', () => {
    const discover = async (authentication?: oidc.ClientAuth) => {
      const config = await oidc.discovery(
        new URL(`${rig.authority}/v2.0`),
        rig.ids.apps.web,
        'web-secret',
        authentication,
      );
      // Browsers are sent to plain http; with the profile `https` this is not needed.
      oidc.allowInsecureRequests(config);
      oidc.enableNonRepudiationChecks(config);
      return config;
    };
    const signIn = async (config: oidc.Configuration, more: Record<string, string> = {}) => {
      const parameters = {
        ...{ redirect_uri: callback, scope: `openid email offline_access ${apiScope}`, state: 'a', nonce: 'b' },
        ...{ code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more },
      };
      const landing = await rig.person().signIn(oidc.buildAuthorizationUrl(config, parameters), 'alice@contoso.test');
      const checks = { expectedState: 'a', expectedNonce: 'b', pkceCodeVerifier: verifier };
      return oidc.authorizationCodeGrant(config, new URL(`${callback}?${landing}`), checks);
    };

    it('signs in, refreshes, reads userinfo and signs out', async () => {
      const config = await discover();
      const tokens = await signIn(config, { max_age: '600' });
      const claims = tokens.claims();
      assert.equal(claims?.oid, rig.ids.users.alice);
      assert.equal(claims?.email, 'alice@contoso.test');
      assert.equal(typeof claims?.auth_time, 'number');
      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', { scope: 'openid' });
      const info = await oidc.fetchUserInfo(config, refreshed.access_token, claims?.sub ?? '');
      assert.deepEqual([info.name, info.given_name, info.family_name], ['Alice Ahrens', 'Alice', 'Ahrens']);
      const end = oidc.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token ?? '',
        post_logout_redirect_uri: 'http://localhost:3000/',
      });
      const person = rig.person();
      await person.visit(end);
      assert.match(person.page().html, /http-equiv="refresh" content="1;url=http:\/\/localhost:3000\/"/);
    });

    it('authenticates by Basic and by private_key_jwt', async () => {
      const basic = await discover(oidc.ClientSecretBasic('web-secret'));
      assert.ok((await oidc.clientCredentialsGrant(basic, { scope: appScope })).access_token);
      const pem = rig.emulator.clientCertificates.web?.key ?? '';
      const key = (await importPKCS8(pem, 'PS256')) as webcrypto.CryptoKey;
      const certificate = new X509Certificate(rig.emulator.clientCertificates.web?.cert ?? '');
      const kid = certificate.fingerprint256.replaceAll(':', '');
      const signed = await discover(oidc.PrivateKeyJwt({ key, kid }));
      const { access_token } = await oidc.clientCredentialsGrant(signed, { scope: appScope });
      assert.equal(readClaims(access_token).azpacr, '2');
    });

    it('acts on behalf of a user by its generic grant', async () => {
      const { access_token: assertion } = await signIn(await discover());
      const config = await oidc.discovery(new URL(`${rig.authority}/v2.0`), rig.ids.apps.api, 'api-secret');
      oidc.allowInsecureRequests(config);
      const form = { assertion, requested_token_use: 'on_behalf_of', scope: graphScope };
      const { access_token } = await oidc.genericGrantRequest(
        config,
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
        form,
      );
      assert.equal(readClaims(access_token).aud, 'https://graph.microsoft.com');
    });

    it('needs no leave for plain http in the profile https', async () => {
      await using https = await openRig({ profile: 'https' });
      const config = await oidc.discovery(new URL(`${https.authority}/v2.0`), https.ids.apps.web, 'web-secret');
      const url = oidc.buildAuthorizationUrl(config, { redirect_uri: callback, scope: 'openid' });
      assert.equal(url.origin, https.emulator.origin);
    });
  });

  it('passport signs a person in to an express app', async () => {
    const config = await oidc.discovery(new URL(`${rig.authority}/v2.0`), rig.ids.apps.web, 'web-secret');
    oidc.allowInsecureRequests(config);
    const passport = new Passport();
    const options = {
      name: 'entra',
      config,
      scope: `openid ${apiScope}`,
      callbackURL: 'http://localhost:3000/auth/callback',
    };
    passport.use(new Strategy(options, (tokens, done) => done(null, { oid: tokens.claims()?.oid })));
    const session = {};
    const app = express();
    app.use((req, _, next) => {
      Object.assign(req, { session });
      next();
    });
    app.get('/sign-in', passport.authenticate('entra', { session: false }));
    app.get('/auth/callback', passport.authenticate('entra', { session: false }), (req, res) => {
      res.json(req.user);
    });
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const started = await fetch(`${url}/sign-in`, { redirect: 'manual' });
    const person = createPerson([rig.emulator.origin, rig.emulator.browserOrigin]);
    const landing = await person.signIn(started.headers.get('location') ?? '', 'bob@contoso.test');
    const done = await fetch(`${url}/auth/callback?${landing}`, { headers: { host: 'localhost:3000' } });
    assert.deepEqual(await done.json(), { oid: rig.ids.users.bob });
    server.close();
  });

  describe('@azure/identity', () => {
    const common = () => ({ authorityHost: rig.emulator.origin, disableInstanceDiscovery: true });

    it('gets a token with a workload identity from a token file', async () => {
      const tokenFilePath = join(directory, 'azure-identity-token');
      await writeFile(tokenFilePath, await issuer.token());
      const credential = new WorkloadIdentityCredential({
        ...{ ...common(), tenantId: rig.tenant, clientId: rig.ids.apps.web, tokenFilePath },
      });
      const { token } = await credential.getToken(appScope);
      assert.equal(readClaims(token).azp, rig.ids.apps.web);
    });

    it('gets a token with a certificate', async () => {
      const { cert = '', key = '' } = rig.emulator.clientCertificates.web ?? {};
      const certificate = `${key}\n${cert}\n`;
      const credential = new ClientCertificateCredential(rig.tenant, rig.ids.apps.web, { certificate }, common());
      assert.equal(readClaims((await credential.getToken(appScope)).token).azpacr, '2');
    });

    it('gets a token on behalf of a user', async () => {
      const { access_token: userAssertionToken } = await rig.tokens();
      const credential = new OnBehalfOfCredential({
        ...{
          ...common(),
          tenantId: rig.tenant,
          clientId: rig.ids.apps.api,
          clientSecret: 'api-secret',
          userAssertionToken,
        },
      });
      assert.equal(readClaims((await credential.getToken(graphScope)).token).oid, rig.ids.users.alice);
    });
  });

  describe('a validator', () => {
    const issuerUrl = () => `${rig.authority}/v2.0`;
    const jwksUri = () => `${rig.authority}/discovery/v2.0/keys`;

    it('jose accepts an access token, and not for another audience', async () => {
      const { access_token } = await rig.tokens();
      const keys = createRemoteJWKSet(new URL(jwksUri()));
      const audience = rig.ids.apps.api;
      const { protectedHeader, payload } = await jwtVerify(access_token, keys, { issuer: issuerUrl(), audience });
      assert.deepEqual(Object.keys(protectedHeader), ['typ', 'alg', 'kid']);
      assert.equal(payload.ver, '2.0');
      await assert.rejects(jwtVerify(access_token, keys, { issuer: issuerUrl(), audience: rig.ids.apps.web }));
    });

    it('aws-jwt-verify accepts an access token and an ID token, and no foreign signature', async () => {
      const { access_token, id_token = '' } = await rig.tokens();
      const create = (audience: string) => JwtVerifier.create({ issuer: issuerUrl(), audience, jwksUri: jwksUri() });
      const api = create(rig.ids.apps.api);
      assert.equal((await api.verify(access_token)).oid, rig.ids.users.alice);
      assert.equal((await create(rig.ids.apps.web).verify(id_token)).oid, rig.ids.users.alice);
      const claims = { aud: rig.ids.apps.api };
      const { token } = await rig.admin('POST', '/mint', { claims, key: 'foreign' });
      await assert.rejects(api.verify(token));
    });
  });
});
