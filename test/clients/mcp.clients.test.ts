import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openRelay, type Relay } from '../kit/relay.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const name = 'clients-mcp';
const replicas = 3;
let system: System;
let resource: string;
let gateway: Relay;

/** The MCP client that people run: a native app, which opens a browser and waits on loopback. */
class NativeApp implements OAuthClientProvider {
  readonly redirectUrl = 'http://localhost:8123';
  readonly visited: URL[] = [];
  #tokens: OAuthTokens | undefined;
  #verifier = '';
  get clientMetadata() {
    return { redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none', client_name: 'Native app' };
  }
  clientInformation = () => ({ client_id: system.emulator.ids.apps.cli ?? '' });
  tokens = () => this.#tokens;
  saveTokens(tokens: OAuthTokens) {
    this.#tokens = tokens;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  codeVerifier = () => this.#verifier;
  redirectToAuthorization(url: URL) {
    this.visited.push(url);
  }
}

/** Signs a person in as the client asks, and gives the connected client. */
async function connect(app = new NativeApp()): Promise<{ client: Client; app: NativeApp }> {
  const transport = () => new StreamableHTTPClientTransport(new URL(resource), { authProvider: app });
  const first = transport();
  const client = new Client({ name: 'test', version: '0' });
  try {
    await client.connect(first);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(await codeOf(app.visited.at(-1)));
    await client.connect(transport());
  }
  return { client, app };
}

/** The browser's part; nobody listens at the app's loopback address here. */
async function codeOf(url: URL | undefined): Promise<string> {
  assert.ok(url);
  const { headers } = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  const next = new URL(headers.get('location') ?? '', url);
  const code = next.searchParams.get('code');
  assert.ok(code, next.searchParams.get('error_description') ?? next.href);
  return code;
}

before(async () => {
  gateway = await openRelay();
  resource = `http://localhost:${gateway.port}/mcp`;
  system = await openSystem({
    ...{ name, brokers: 3, signing: 'each' },
    // Its Application ID URI is its URL.
    seed: (usual) => JSON.parse(JSON.stringify(usual).replaceAll('api://onbehalf-api', resource)),
    scopes: [`${resource}/access_as_user`],
  });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), system.emulator.caPem]);
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  const assertionFile = join(system.stateDir, 'mcp.jwt');
  await writeFile(
    assertionFile,
    await system.cluster.mint({ namespace: 'onbehalf', name: 'api', audience: 'token-broker' }),
  );
  const ports = await Promise.all(Array.from({ length: replicas }, freePort));
  for (const own of ports) {
    const child = await startChild({
      ...{ name: `mcp-server-${own}`, command: process.execPath, args: ['examples/mcp-server/server.js'] },
      env: {
        ...{ PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(system.stateDir, 'emulator', 'ca.pem') },
        ...{ PORT: `${own}`, MCP_RESOURCE: resource, ENTRA_AUTHORITY_HOST: system.emulator.origin },
        ...{ ENTRA_TENANT: system.emulator.ids.tenants.contoso, ENTRA_AUDIENCE: system.emulator.ids.apps.api },
        ...{ BROKER_URL: system.broker, BROKER_ASSERTION_FILE: assertionFile, GRAPH_BASE_URL: system.emulator.origin },
      },
      logFile: join(system.logDir, `mcp-server-${own}.log`),
      ready: async () => (await fetch(`http://127.0.0.1:${own}/.well-known/oauth-protected-resource/mcp`)).ok,
    });
    system.use(child);
  }
  gateway.aim(...ports.map((port) => ({ host: '127.0.0.1', port })));
});
after(async () => {
  await system?.close();
  await gateway?.[Symbol.asyncDispose]();
});

const textOf = (result: unknown) => JSON.parse((result as { content: { text: string }[] }).content[0]?.text ?? '');

describe('the official MCP client', () => {
  it('finds Entra ID by the metadata of the server, signs a person in, and calls tools', async () => {
    const { client, app } = await connect();
    assert.equal(app.visited.length, 1);
    const asked = app.visited[0]?.searchParams;
    assert.deepEqual([asked?.get('resource'), asked?.get('scope')], [resource, `${resource}/access_as_user`]);
    assert.equal(readClaims(app.tokens()?.access_token ?? '').aud, system.emulator.ids.apps.api);
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(), ['add', 'my_profile', 'whoami']);
    assert.equal(textOf(await client.callTool({ name: 'add', arguments: { a: 2, b: 3 } })), 5);
    assert.equal(textOf(await client.callTool({ name: 'whoami' })).username, 'alice@contoso.test');
    assert.equal(textOf(await client.callTool({ name: 'my_profile' })).userPrincipalName, 'alice@contoso.test');
    await client.close();
  });

  it(`makes one call to Entra by a hundred tool calls of one user at ${replicas} replicas`, async () => {
    const { client, app } = await connect();
    const others = await Promise.all(Array.from({ length: 9 }, () => connect(app)));
    const clients = [client, ...others.map((other) => other.client)];
    await system.admin('DELETE', '/counters');
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => clients[n % clients.length]?.callTool({ name: 'my_profile' })),
    );
    for (const result of results) assert.equal(textOf(result).userPrincipalName, 'alice@contoso.test');
    assert.equal(await system.calls(), 1);
    for (const each of clients) await each.close();
  });

  it('gets nothing by an ID token, by a token for another API, or by none, and is told where the metadata are', async () => {
    const { app } = await connect();
    const person = readClaims(app.tokens()?.access_token ?? '');
    const minted = async (claims: object) =>
      ((await system.admin('POST', '/mint', { claims })) as { token: string }).token;
    const { azp: _azp, scp: _scp, ...idClaims } = person;
    const tokens = [await minted({ ...person, aud: 'https://graph.microsoft.com' }), await minted(idClaims), ''];
    for (const token of tokens) {
      const response = await fetch(resource, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
        signal: AbortSignal.timeout(10_000),
      });
      assert.equal(response.status, 401);
      const metadata = resource.replace('/mcp', '/.well-known/oauth-protected-resource/mcp');
      assert.match(response.headers.get('www-authenticate') ?? '', new RegExp(`resource_metadata="${metadata}"`));
    }
    // The control: the same claims, unchanged, are a token.
    const control = new NativeApp();
    control.saveTokens({ access_token: await minted(person), token_type: 'Bearer' });
    const { client } = await connect(control);
    assert.equal(control.visited.length, 0);
    await client.close();
  });

  it('is refused by Entra ID for the resource of another server', async () => {
    const { app } = await connect();
    const url = new URL(app.visited[0] ?? '');
    url.searchParams.set('resource', `${resource}/`);
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
    const back = new URL(response.headers.get('location') ?? '', url).searchParams;
    assert.equal(back.get('error'), 'invalid_target');
    assert.match(back.get('error_description') ?? '', /^AADSTS9010010/);
  });
});
