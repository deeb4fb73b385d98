import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportSPKI, generateKeyPair } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { mountFiles } from '../kit/mounts.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope, appScope, grants, graphScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const secret = 'a+b/c%41=: secret';
let system: System;
let broker: URL;
let key: openid.CryptoKey;
before(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  key = pair.privateKey;
  system = await openSystem({
    name: 'oauth-clients',
    brokers: 1,
    clients: async (usual, _emulator, directory) => {
      const mounted = await mountFiles(join(directory, 'gateway'), { secret, pem: await exportSPKI(pair.publicKey) });
      const files = { client_secret: 'secret', private_key_jwt: 'pem' };
      const authentication = Object.entries(files).map(([type, file]) => ({ type, file: join(mounted, file) }));
      return { ...usual, gateway: { ...usual.job, subjects: [], authentication } };
    },
  });
  broker = new URL(system.brokers[0]?.url ?? '');
});
after(() => system?.close());

/** The one thing that a library must be told: that the pod's ServiceAccount token is the proof. */
const asAccount =
  (name: string): openid.ClientAuth =>
  async (_server, _client, body) => {
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', await system.cluster.mint({ namespace: 'onbehalf', name, audience: 'token-broker' }));
  };
const clientId = (app: 'web' | 'api' | 'job') => system.emulator.ids.apps[app];

/** The stand-in's certificate is of an authority that this process does not trust; its pages are the same in plain. */
const fetchPlain: openid.CustomFetch = (url, init) =>
  fetch(url.replace(system.emulator.origin, system.emulator.browserOrigin), init as RequestInit);

describe('openid-client', () => {
  const discover = (app: 'web' | 'api' | 'job') =>
    openid.discovery(broker, clientId(app), undefined, asAccount(app), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });

  it('builds the authorization request of the metadata alone', async () => {
    const config = await discover('web');
    assert.ok(config.serverMetadata().supportsPKCE());
    const url = openid.buildAuthorizationUrl(config, { scope: 'openid', redirect_uri: 'http://localhost:3000/cb' });
    const { browserOrigin, ids } = system.emulator;
    assert.equal(`${url.origin}${url.pathname}`, `${browserOrigin}/${ids.tenants.contoso}/oauth2/v2.0/authorize`);
  });

  it('gets an app token, introspects and revokes a session, exchanges a session and a token of a user', async () => {
    const app = await openid.clientCredentialsGrant(await discover('job'), { scope: appScope });
    assert.equal(app.scope, appScope);
    const web = await discover('web');
    const session = await system.signIn('alice');
    const subject = (subject_token: string) => ({ subject_token, subject_token_type: accessToken });
    const resource = apiScope.slice(0, apiScope.lastIndexOf('/'));
    const ofApi = await openid.genericGrantRequest(web, grants.exchange, { ...subject(session), resource });
    assert.equal(ofApi.scope, apiScope);
    const api = await discover('api');
    const ofGraph = await openid.genericGrantRequest(api, grants.exchange, {
      ...subject(ofApi.access_token),
      scope: graphScope,
    });
    assert.equal(ofGraph.scope, graphScope);
    const seen = await openid.tokenIntrospection(api, ofApi.access_token);
    assert.deepEqual([seen.active, seen.aud, seen.client_id], [true, clientId('api'), clientId('web')]);
    assert.equal((await openid.tokenIntrospection(api, ofGraph.access_token)).active, false);
    await openid.tokenRevocation(web, session);
    assert.equal((await openid.tokenIntrospection(web, session)).active, false);
    assert.equal((await openid.tokenIntrospection(api, ofApi.access_token)).active, false, 'its person has left');
  });

  it('signs a person in at Entra and redeems the code at the broker, with its own checks', async () => {
    const { origin, ids } = system.emulator;
    const issuer = new URL(`${origin}/${ids.tenants.contoso}/v2.0`);
    const entra = await openid.discovery(issuer, clientId('web'), undefined, undefined, {
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: fetchPlain,
    });
    const server: openid.ServerMetadata = Object.assign(entra.serverMetadata(), {
      token_endpoint: `${broker.origin}/oauth2/token`,
    });
    const config = new openid.Configuration(server, clientId('web'), {}, asAccount('web'));
    for (const extend of [openid.allowInsecureRequests, openid.enableNonRepudiationChecks]) extend(config);
    config[openid.customFetch] = fetchPlain;
    const { fields } = await system.startSignIn('alice');
    const callback = new URL(`${fields.redirect_uri}?code=${fields.code}`);
    const pkceCodeVerifier = fields.code_verifier ?? '';
    const tokens = await openid.authorizationCodeGrant(config, callback, {
      expectedNonce: fields.nonce ?? '',
      pkceCodeVerifier,
    });
    assert.equal(tokens.claims()?.nonce, fields.nonce);
    assert.equal(tokens.scope, 'openid profile offline_access');
    const wrong = await system.startSignIn('alice');
    const again = openid.authorizationCodeGrant(config, new URL(`${fields.redirect_uri}?code=${wrong.fields.code}`), {
      expectedNonce: randomUUID(),
      pkceCodeVerifier: wrong.fields.code_verifier ?? '',
    });
    await assert.rejects(again, { code: 'OAUTH_JWT_CLAIM_COMPARISON_FAILED' });
  });
});

describe('openid-client as a gateway without a ServiceAccount', () => {
  const ways: Record<string, () => openid.ClientAuth> = {
    client_secret_basic: () => openid.ClientSecretBasic(secret),
    client_secret_post: () => openid.ClientSecretPost(secret),
    private_key_jwt: () => openid.PrivateKeyJwt(key),
  };
  for (const [way, proof] of Object.entries(ways)) {
    it(`proves itself by ${way}`, async () => {
      const config = await openid.discovery(broker, 'gateway', undefined, proof(), {
        algorithm: 'oauth2',
        execute: [openid.allowInsecureRequests],
      });
      assert.ok(config.serverMetadata().token_endpoint_auth_methods_supported?.includes(way));
      assert.equal((await openid.clientCredentialsGrant(config, { scope: appScope })).scope, appScope);
      assert.equal((await openid.tokenIntrospection(config, 'unknown')).active, false);
      await openid.tokenRevocation(config, 'unknown');
    });
  }
});

describe('oauth4webapi', () => {
  it('takes the metadata, and each answer, for those of a server like any other', async () => {
    const options = { [oauth.allowInsecureRequests]: true };
    const found = await oauth.discoveryRequest(broker, { ...options, algorithm: 'oauth2' });
    const server = await oauth.processDiscoveryResponse(broker, found);
    const client = { client_id: clientId('web') };
    const proof = asAccount('web') as oauth.ClientAuth;
    const session = await system.signIn('bob');
    const asked = { subject_token: session, subject_token_type: accessToken, scope: apiScope };
    const response = await oauth.genericTokenEndpointRequest(server, client, proof, grants.exchange, asked, options);
    const granted = await oauth.processGenericTokenEndpointResponse(server, client, response);
    assert.deepEqual([granted.token_type, granted.scope], ['bearer', apiScope]);
    const looked = await oauth.introspectionRequest(server, client, proof, session, options);
    assert.equal((await oauth.processIntrospectionResponse(server, client, looked)).active, true);
    const revoked = await oauth.revocationRequest(server, client, proof, granted.access_token, options);
    await assert.rejects(
      oauth.processRevocationResponse(revoked),
      (error) => error instanceof oauth.ResponseBodyError && error.error === 'unsupported_token_type',
    );
    const wrong = oauth.ClientSecretBasic('wrong');
    const refused = await oauth.introspectionRequest(server, client, wrong, session, options);
    await assert.rejects(
      oauth.processIntrospectionResponse(server, client, refused),
      (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.cause[0]?.scheme === 'basic',
    );
  });
});
