import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { serve } from '@onbehalf/chassis/http/serve';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { toLabel, toSequence } from '../../services/trace-viewer/src/draw/steps.js';
import { startMcpServers } from '../kit/mcp-servers.ts';
import { openRelay, type Relay } from '../kit/relay.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { until } from '../kit/until.ts';

const name = 'clients-mcp';
const replicas = 3;
let system: System;
let resource: string;
let gateway: Relay;
let viewer: Viewer;
/** Puts so many of the replicas behind the address. */
let aimAt: (count: number) => void;

/** The MCP client that people run: a native app, which opens a browser and waits on loopback. */
class NativeApp implements OAuthClientProvider {
  /** Of the last challenge, where the app reads it: the SDK does not. */
  claims: string | undefined;
  furtherScope = '';
  readonly redirectUrl = 'http://localhost:8123';
  readonly visited: URL[] = [];
  #tokens: OAuthTokens | undefined;
  #verifier = '';
  get clientMetadata() {
    return { redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none', client_name: 'Native app' };
  }
  clientInformation: () => OAuthClientInformationMixed | undefined = () => ({
    client_id: system.emulator.ids.apps.cli ?? '',
  });
  tokens = () => this.#tokens;
  saveTokens(tokens: OAuthTokens) {
    this.#tokens = tokens;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  codeVerifier = () => this.#verifier;
  redirectToAuthorization(url: URL) {
    url.searchParams.set('scope', url.searchParams.get('scope') + this.furtherScope);
    if (this.claims) url.searchParams.set('claims', this.claims);
    this.visited.push(url);
  }
  /** What such an app gives the SDK as `fetch`, to hear of the claims that the SDK leaves out. */
  listening: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const [, claims] = /claims="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '') ?? [];
    if (claims) this.claims = Buffer.from(claims, 'base64').toString();
    return response;
  };
}

/** One without a registration: its client id is the URL where it says who it is. */
class PublishedApp extends NativeApp {
  readonly clientMetadataUrl: string;
  #information: OAuthClientInformationMixed | undefined;
  constructor(url: string) {
    super();
    this.clientMetadataUrl = url;
  }
  override clientInformation = () => this.#information;
  saveClientInformation(information: OAuthClientInformationMixed) {
    this.#information = information;
  }
}

/** Signs a person in as the client asks, and gives the connected client. */
async function connect(app = new NativeApp(), fetch?: typeof globalThis.fetch) {
  const options = { authProvider: app, ...(fetch && { fetch }) };
  const open = () => new StreamableHTTPClientTransport(new URL(resource), options);
  const first = open();
  const client = new Client({ name: 'test', version: '0' });
  try {
    await client.connect(first);
    return { client, app, transport: first };
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(await codeOf(app.visited.at(-1)));
    const transport = open();
    await client.connect(transport);
    return { client, app, transport };
  }
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
  viewer = await createViewer();
  gateway = await openRelay();
  resource = `http://localhost:${gateway.port}/mcp`;
  system = await openSystem({
    ...{ name, brokers: 3, signing: 'each' },
    env: { broker: { OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url, OTEL_BSP_SCHEDULE_DELAY: '200' } },
    // Its Application ID URI is its URL, and it knows its client: a consent to it is one to what it needs itself.
    seed: (usual) =>
      JSON.parse(
        JSON.stringify(usual)
          .replaceAll('api://onbehalf-api', resource)
          .replaceAll('"knownClientApplications":["web"]', '"knownClientApplications":["web","cli"]'),
      ),
    scopes: [`${resource}/access_as_user`],
  });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), system.emulator.caPem]);
  await personIs('alice@contoso.test');
  const ports = await startMcpServers(system, replicas, resource, viewer.url);
  aimAt = (count) => gateway.aim(...ports.slice(0, count).map((port) => ({ host: '127.0.0.1', port })));
  aimAt(2);
});
after(async () => {
  await system?.close();
  await gateway?.[Symbol.asyncDispose]();
  await viewer?.[Symbol.asyncDispose]();
});

/** Whoever has no session at Entra ID signs in as this person, and agrees to what is asked. */
const personIs = (user: string) => system.admin('PUT', '/interaction', { mode: 'auto', user });

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

  // Connections that are open stay where they are, so more replicas come later.
  for (const count of [2, replicas]) {
    it(`makes one call to Entra by a hundred tool calls of one user at ${count} replicas`, async () => {
      aimAt(count);
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
  }

  it('signs a person in without a registration, by the document at its client id', async () => {
    const directory = join(system.stateDir, 'emulator');
    const [cert = '', key = ''] = await Promise.all(
      ['tls.pem', 'tls.key'].map((file) => readFile(join(directory, file), 'utf8')),
    );
    const document = await serve(
      (_req, res) => {
        const body = { ...app.clientMetadata, client_id: app.clientMetadataUrl };
        res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      },
      { port: 0, host: '127.0.0.1', drainMs: 0, tls: { cert, key } },
    );
    system.use(document);
    const app = new PublishedApp(`https://localhost:${document.port}/native-app.json`);
    const { client } = await connect(app);
    assert.equal(app.visited[0]?.searchParams.get('client_id'), app.clientMetadataUrl);
    const { aud, azp, azpacr } = readClaims(app.tokens()?.access_token ?? '');
    assert.deepEqual([aud, azpacr], [system.emulator.ids.apps.api, '0']);
    assert.match(String(azp), /^[0-9a-f-]{36}$/);
    assert.equal(textOf(await client.callTool({ name: 'my_profile' })).userPrincipalName, 'alice@contoso.test');
    await client.close();
  });

  it('has the tool that calls Graph called in a batch, which the SDK still takes', async () => {
    const { client, app } = await connect();
    const call = (id: number, name: string) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });
    const response = await fetch(resource, {
      method: 'POST',
      headers: {
        ...{ accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
        authorization: `Bearer ${app.tokens()?.access_token}`,
      },
      body: JSON.stringify([call(1, 'whoami'), call(2, 'my_profile')]),
      signal: AbortSignal.timeout(10_000),
    });
    const results = (await response.json()) as { id: number; result: unknown }[];
    const profile = textOf(results.find(({ id }) => id === 2)?.result);
    assert.equal(profile.userPrincipalName, 'alice@contoso.test');
    await client.close();
  });

  it('gets nothing by an ID token, by a token for another API, or by none, and is told where the metadata are', async () => {
    const { app } = await connect();
    const person = readClaims(app.tokens()?.access_token ?? '');
    const minted = async (claims: object) =>
      ((await system.admin('POST', '/mint', { claims })) as { token: string }).token;
    const { azp: _azp, scp: _scp, ...idClaims } = person;
    for (const [token, says] of [
      [await minted({ ...person, aud: 'https://graph.microsoft.com' }), 'The token is for another audience.'],
      [await minted(idClaims), 'The token is not a v2.0 access token.'],
      ['', 'A bearer token is needed.'],
    ] as const) {
      const response = await fetch(resource, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
        signal: AbortSignal.timeout(10_000),
      });
      assert.equal(response.status, 401);
      assert.deepEqual(await response.json(), { error: 'invalid_token', error_description: says });
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

  it('asks Entra ID for the scope that its token lacks, by the name that the challenge has', async () => {
    const { app } = await connect();
    const claims = { ...readClaims(app.tokens()?.access_token ?? ''), scp: 'other' };
    const { token } = (await system.admin('POST', '/mint', { claims })) as { token: string };
    const lacking = new NativeApp();
    lacking.saveTokens({ access_token: token, token_type: 'Bearer' });
    const { client } = await connect(lacking);
    assert.equal(lacking.visited.length, 1);
    assert.equal(lacking.visited[0]?.searchParams.get('scope'), `${resource}/access_as_user`);
    assert.equal(textOf(await client.callTool({ name: 'whoami' })).username, 'alice@contoso.test');
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

describe('the drawing of an MCP server', () => {
  it('is of the spans that it and the brokers export, and says where the token of a tool came from', async () => {
    const beganMs = Date.now();
    const { client } = await connect();
    await client.callTool({ name: 'my_profile' });
    await client.callTool({ name: 'my_profile' });
    await client.close();
    const drawn = () =>
      viewer
        .flows()
        .filter(({ startMs }) => startMs >= beganMs)
        .reverse()
        .map(({ traceId }) => toSequence(viewer.spans(traceId)).steps.map(toLabel));
    const first = () => drawn().map(([label]) => label);
    const isTool = (label = '') => label.startsWith('tool call');
    await until(() => first().filter(isTool).length === 2, 'the traces of both calls');
    assert.ok(first().includes('resource metadata'));
    assert.ok(first().includes('MCP request'), 'to say who speaks');
    const [cold, warm] = drawn().filter(([label]) => isTool(label));
    assert.equal(cold?.[0], 'tool call · token from Entra ID');
    const said = (pattern: RegExp) => cold?.some((label) => pattern.test(label));
    for (const pattern of [/^check token|^fetch signing keys/, /^on-behalf-of token · from Entra ID$/, /^write token/])
      assert.ok(said(pattern), `${pattern} in ${cold}`);
    // Of the memory of the same broker, or by another one of Redis.
    assert.match(`${warm?.[0]}`, /^tool call · token from (memory|Redis)$/);
    assert.doesNotMatch(`${warm}`, /from Entra ID/);
  });
});

describe('what a tool needs of the person', () => {
  afterEach(async () => {
    await system.admin('PATCH', '/apps/graph', { policy: 'none' });
    await personIs('alice@contoso.test');
  });

  it('is asked of them as consent by the client, whose call succeeds when it is repeated', async () => {
    await personIs('carol@contoso.test');
    const { client, app, transport } = await connect();
    await assert.rejects(client.callTool({ name: 'my_profile' }), UnauthorizedError);
    const asked = app.visited.at(-1)?.searchParams;
    assert.deepEqual([asked?.get('resource'), asked?.get('scope')], [resource, `${resource}/.default`]);
    await transport.finishAuth(await codeOf(app.visited.at(-1)));
    assert.equal(textOf(await client.callTool({ name: 'my_profile' })).userPrincipalName, 'carol@contoso.test');
    assert.equal(app.visited.length, 2);
    await client.close();
  });

  it('is asked of them as a stronger sign-in by a client that reads the claims, whose call succeeds then', async () => {
    const app = new NativeApp();
    const { client, transport } = await connect(app, app.listening);
    await system.admin('PATCH', '/apps/graph', { policy: 'mfa' });
    await assert.rejects(client.callTool({ name: 'my_profile' }), UnauthorizedError);
    assert.match(app.visited.at(-1)?.searchParams.get('claims') ?? '', /^{"access_token":{"capolids"/);
    await transport.finishAuth(await codeOf(app.visited.at(-1)));
    assert.equal(textOf(await client.callTool({ name: 'my_profile' })).userPrincipalName, 'alice@contoso.test');
    assert.equal(app.visited.length, 2);
    await client.close();
  });

  it('is asked in vain by a client that leaves the claims to the SDK: its person signs in, and is asked again', async () => {
    const { client, app, transport } = await connect();
    await system.admin('PATCH', '/apps/graph', { policy: 'mfa' });
    for (const visits of [2, 3]) {
      await assert.rejects(client.callTool({ name: 'my_profile' }), UnauthorizedError);
      assert.equal(app.visited.length, visits);
      assert.equal(app.visited.at(-1)?.searchParams.has('claims'), false);
      await transport.finishAuth(await codeOf(app.visited.at(-1)));
    }
    // Tools that need nothing more go on.
    assert.equal(textOf(await client.callTool({ name: 'add', arguments: { a: 1, b: 1 } })), 2);
    await client.close();
  });

  it('is not asked of them by a client with a refresh token: the SDK refreshes, and gives up', async () => {
    await system.admin('DELETE', '/consents?user=carol@contoso.test');
    await personIs('carol@contoso.test');
    const app = new NativeApp();
    app.furtherScope = ' offline_access';
    const { client } = await connect(app);
    await assert.rejects(client.callTool({ name: 'my_profile' }), /403 after trying upscoping/);
    assert.equal(app.visited.length, 1);
    await client.close();
  });
});
