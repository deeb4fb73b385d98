import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import type { Client } from './clients/clients.ts';
import { clientId, fakeNetwork, respondTo, tenantId } from './entra/msal.fake.ts';
import { MsalEntra } from './entra/msal.ts';

const personal = '9188040d-6c67-4c5b-b112-36a304b66dad';
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

type Row = { authority: string; tenant?: string; issuer?: string; account?: string };

/** Every kind of authority; `issuer` is where one of them issues as another than it is reached. */
const rows: Record<string, Row> = {
  'the global cloud': { authority: 'https://login.microsoftonline.com' },
  'the US government cloud': { authority: 'https://login.microsoftonline.us' },
  'the cloud of 21Vianet': { authority: 'https://login.partner.microsoftonline.cn' },
  'an external tenant': { authority: 'https://contoso.ciamlogin.com', issuer: `https://${tenantId}.ciamlogin.com` },
  'a custom domain': { authority: 'https://login.contoso.com', issuer: `https://${tenantId}.ciamlogin.com` },
  'people of many organizations': { authority: 'https://login.microsoftonline.com', tenant: 'organizations' },
  'personal accounts': { authority: 'https://login.microsoftonline.com', tenant: 'common', account: personal },
};

describe('MSAL is sent to', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authorities-'));
    await writeFile(join(directory, 'secret'), 'canary');
  });
  after(() => rm(directory, { recursive: true }));

  for (const [name, { authority, tenant = tenantId, issuer = authority, account = tenantId }] of Object.entries(rows)) {
    it(`${name}, to redeem, to refresh and on behalf of`, async () => {
      const { posts, network } = fakeNetwork(
        ({ form }) => {
          const nowSeconds = Math.floor(Date.now() / 1_000);
          const claims = { iss: `${issuer}/${account}/v2.0`, aud: clientId, tid: account, oid: 'o', sub: 's' };
          const id_token = `${encode({ alg: 'none' })}.${encode({ ...claims, exp: nowSeconds + 3_600 })}.x`;
          return respondTo(form, { id_token, client_info: encode({ uid: 'o', utid: account }) });
        },
        () => ({
          issuer: `${issuer}/${tenant}/v2.0`,
          authorization_endpoint: `${authority}/${tenant}/oauth2/v2.0/authorize`,
          token_endpoint: `${authority}/${tenant}/oauth2/v2.0/token`,
          end_session_endpoint: `${authority}/${tenant}/oauth2/v2.0/logout`,
          jwks_uri: `${issuer}/${tenant}/discovery/v2.0/keys`,
        }),
      );
      const logger = createLogger({ level: 'silent', service: 'test' });
      const entra = new MsalEntra({ authorityHost: authority, federatedFile: undefined, network, logger });
      const client: Client = {
        ...{ name: 'web', tenantId: tenant, clientId, subjects: [], grants: [], scopes: [], redirectUris: [] },
        ...{ permissions: [], credentials: [{ type: 'secret', file: join(directory, 'secret') }] },
      };
      const asked = { scopes: ['api://a/read'], traceId: 'ab'.repeat(16) };
      const proof = { redirectUri: 'https://app.test/cb', codeVerifier: 'v'.repeat(43), nonce: undefined };
      const signIn = await entra.redeemCode(client, { ...asked, ...proof, code: 'code' });
      assert.ok(signIn.kind === 'token', JSON.stringify(signIn));
      assert.equal(signIn.account.homeAccountId, `o.${account}`);
      const refreshed = await entra.refresh(client, { ...asked, account: signIn.account, msal: signIn.msal });
      assert.equal(refreshed.kind, 'token');
      const obo = await entra.onBehalfOf(client, { ...asked, assertion: 'e30.e30.x', tenantId: account });
      assert.equal(obo.kind, 'token');
      assert.deepEqual(
        posts.map(({ url }) => url.split('?')[0]),
        [tenant, account, account].map((segment) => `${authority}/${segment}/oauth2/v2.0/token`),
      );
    });
  }
});
