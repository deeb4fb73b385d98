import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { framesOf } from '../kit/html.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { Visitor } from '../kit/visitor.ts';
import { type Apache, openApache } from './apache.ts';
import { clientTests, type Seen, type Told } from './client.ts';

const apiScope = 'api://onbehalf-api/access_as_user';
const name = 'clients-apache';
let system: System;
let port: number;
before(async () => {
  port = await freePort();
  const redirectUris = [`http://localhost:${port}/auth/callback`];
  system = await openSystem({
    ...{ name, brokers: 1, signing: 'each' },
    clients: (usual) => ({ ...usual, web: { ...usual.web, redirectUris } }),
  });
});
after(() => system?.close());

/** A person's application that keeps to these directives, until `work` is done. */
const withApache = async (
  settings: string[],
  work: (apache: Apache, alice: Visitor) => Promise<Told['flows']>,
  metadata: Record<string, object> = {},
) => {
  const { caPem } = system.emulator;
  await using apache = await openApache({ port, caPem, settings, metadata, logFile: `out/${name}/apache.log` });
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  using alice = new Visitor();
  return { version: apache.version, flows: await work(apache, alice) };
};
const entra = () => `${system.emulator.origin}/${system.emulator.ids.tenants.contoso}`;

/** What the page tells of its reader. */
const pageOf = ({ page: { status, headers } }: Visitor): Seen => {
  return { status, name: headers['x-name'], access_token: headers['x-access-token'] };
};

const atEmulator = () =>
  withApache(
    [
      `OIDCProviderMetadataURL ${entra()}/v2.0/.well-known/openid-configuration`,
      ...[`OIDCClientID ${system.emulator.ids.apps.web}`, 'OIDCClientSecret web-secret'],
      'OIDCScope "openid profile email offline_access"',
    ],
    async (apache, alice) => {
      await system.admin('PATCH', '/apps/web', { frontChannelLogoutUri: `${apache.origin}/auth/callback?logout=get` });
      await alice.open(`${apache.origin}/`);
      const signedIn = pageOf(alice);
      // As frames of another site do, these take no cookie along: the session is found by its sid.
      const logout = `${system.emulator.browserOrigin}/common/oauth2/v2.0/logout`;
      const get = (url: string, headers = {}) => fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
      const frames = framesOf(await (await get(logout, { cookie: await alice.jar.getCookieString(logout) })).text());
      for (const frame of frames) await get(frame);
      await system.admin('PUT', '/interaction', { mode: 'page' });
      await alice.open(`${apache.origin}/`);
      const ended = { frames: frames.length, page: /<h1>(.*)<\/h1>/.exec(alice.page.body)?.[1] };
      return { [signIn]: signedIn, [signOut]: ended };
    },
  );

/** Its directives take no plain http, which a broker inside a cluster speaks; its metadata files do. */
const atBroker = async () => {
  const { brokers, cluster, emulator } = system;
  const proof = new URLSearchParams({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await cluster.mint({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' }),
  });
  const provider = {
    issuer: `${entra()}/v2.0`,
    authorization_endpoint: `${emulator.browserOrigin}/${emulator.ids.tenants.contoso}/oauth2/v2.0/authorize`,
    jwks_uri: `${entra()}/discovery/v2.0/keys`,
    token_endpoint: `${brokers[0]?.url}/oauth2/token`,
  };
  const settings = {
    ...{ scope: `openid offline_access ${apiScope}`, pkce_method: 'S256' },
    ...{ token_endpoint_auth: 'none', token_endpoint_params: proof.toString() },
  };
  const file = encodeURIComponent(provider.issuer.replace('https://', ''));
  return withApache(
    [],
    async (apache, alice) => {
      // OIDC Core section 4: who knows several providers is told which.
      const login = new URLSearchParams({ iss: provider.issuer, target_link_uri: `${apache.origin}/` });
      await alice.open(`${apache.origin}/auth/callback?${login}`);
      return { [signIn]: pageOf(alice) };
    },
    {
      [`${file}.provider`]: provider,
      [`${file}.client`]: { client_id: emulator.ids.apps.web },
      [`${file}.conf`]: settings,
    },
  );
};

const client = 'mod_auth_openidc';
const signIn = 'signs a person in with PKCE and a nonce it checks itself';
const signOut = 'ends the session by front-channel logout';

clientTests(
  { client, at: 'emulator', run: atEmulator },
  {
    [signIn]: (seen) => {
      assert.deepEqual([seen.status, seen.name], [200, 'Alice Ahrens']);
      assert.equal(readClaims(String(seen.access_token)).oid, system.emulator.ids.users.alice);
    },
    [signOut]: (seen) => assert.deepEqual(seen, { frames: 1, page: 'Pick an account' }),
  },
);
clientTests(
  { client, at: 'broker', run: atBroker },
  {
    [signIn]: (seen) => {
      assert.deepEqual([seen.status, seen.name], [200, 'Alice Ahrens']);
      assert.match(String(seen.access_token), /^[\w-]{43}$/);
    },
  },
);
