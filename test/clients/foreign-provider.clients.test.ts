import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { subjectOf } from '../kit/cluster.ts';
import { mountFiles, mountJson } from '../kit/mounts.ts';
import { freePort } from '../kit/ports.ts';
import { callApi, session } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import { apiScope } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';
import { openForeignProvider, providerVersion } from './foreign-provider.ts';
import { record } from './told.ts';

const tenantId = '11111111-1111-4111-8111-111111111111';
const [web, api] = ['22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333'];
const graphScope = 'https://graph.microsoft.com/User.Read';
const person = { oid: '44444444-4444-4444-8444-444444444444', tid: tenantId, sub: 'alice-at-web', ver: '2.0' };
const grant = (name: string) => `urn:ietf:params:oauth:grant-type:${name}`;

/** Graph, as far as a profile; tells whose token came. */
async function openGraph(opened: AsyncDisposableStack): Promise<{ origin: string; audiences: unknown[] }> {
  const audiences: unknown[] = [];
  const server = createServer((req, res) => {
    const [, payload = ''] = (req.headers.authorization ?? '').split('.');
    audiences.push(JSON.parse(Buffer.from(payload, 'base64url').toString()).aud);
    const profile = { displayName: 'Alice Ahrens', userPrincipalName: 'alice@contoso.test', mail: null };
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(profile));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, audiences };
}

describe('at a foreign OpenID provider', () => {
  const opened = new AsyncDisposableStack();
  let system: System;
  let alice: Visitor;
  let graph: Awaited<ReturnType<typeof openGraph>>;

  before(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'onbehalf-foreign-'));
    opened.defer(() => rm(directory, { recursive: true, force: true }));
    const stateDir = join(directory, 'provider');
    const shown = { name: 'Alice Ahrens', preferred_username: 'alice@contoso.test' };
    const provider = await openForeignProvider(opened, {
      ...{ stateDir, tenantId },
      mappings: [
        { grant: 'authorization_code', claims: { ...person, ...shown, aud: [web] } },
        { grant: 'refresh_token', claims: { ...person, ...shown, aud: [api], azp: web, scp: 'access_as_user' } },
        { grant: grant('jwt-bearer'), claims: { ...person, aud: ['https://graph.microsoft.com'], azp: api } },
      ],
    });
    graph = await openGraph(opened);
    const secret = join(await mountFiles(join(directory, 'secrets'), { secret: 'any' }), 'secret');
    const client = (clientId: string, name: string) => ({
      ...{ tenantId, clientId, subjects: [subjectOf({ namespace: 'onbehalf', name })] },
      credentials: [{ type: 'secret', file: secret }],
    });
    const clients = (publicBaseUrl: string) => ({
      web: {
        ...client(web, 'web-frontend'),
        grants: ['authorization_code', grant('token-exchange')],
        scopes: [apiScope],
        redirectUris: [`${publicBaseUrl}/auth/callback`],
      },
      api: { ...client(api, 'downstream-api'), grants: [grant('jwt-bearer')], scopes: [graphScope] },
    });
    const there = { ENTRA_AUTHORITY_HOST: provider, NODE_EXTRA_CA_CERTS: join(stateDir, 'ca.pem') };
    const [webPort, entra, entraBrowser, entraAdmin] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    system = opened.use(
      await openSystem({
        frontend: true,
        name: 'foreign-provider',
        ports: { web: webPort, entra, entraBrowser, entraAdmin },
        env: {
          web: { ...there, ENTRA_TENANT_ID: tenantId, ENTRA_CLIENT_ID: web },
          broker: {
            ...there,
            CLIENTS_FILE: await mountJson(directory, 'clients.json', clients(`http://localhost:${webPort}`)),
          },
          api: {
            ...{ ...there, ENTRA_AUDIENCE: api, ENTRA_TENANTS: tenantId, ENTRA_ALLOWED_CLIENTS: web },
            GRAPH_BASE_URL: graph.origin,
          },
        },
      }),
    );
    alice = system.visitor();
  });
  after(() => opened.disposeAsync());

  const flow = (title: string, work: () => Promise<void>) =>
    it(title, async () => {
      const row = { client: 'mock-oauth2-server', version: providerVersion, at: 'provider', flow: title };
      await work().then(
        () => record({ ...row, result: 'passed' }),
        (error) => {
          record({ ...row, result: 'failed' });
          throw error;
        },
      );
    });

  flow('a person signs in', async () => {
    await alice.open(system.web);
    await alice.follow('Sign in');
    assert.equal(alice.page.url.origin, system.web, alice.words.slice(0, 300));
    assert.equal((await session(alice)).status, 200);
  });

  flow('their session gets a token of the API, which checks it by the published keys', async () => {
    const { object_id, client_id } = await callApi(alice, system);
    assert.deepEqual([object_id, client_id], [person.oid, web]);
  });

  flow('the API calls on behalf of them', async () => {
    assert.equal((await callApi(alice, system, 'Microsoft Graph')).displayName, 'Alice Ahrens');
    assert.deepEqual(graph.audiences, ['https://graph.microsoft.com']);
  });
});
