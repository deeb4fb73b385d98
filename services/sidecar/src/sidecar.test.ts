import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ProtectedApi } from '@onbehalf/node/api/protected-api';
import type { TokenResult } from '@onbehalf/node/broker/client';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { Sidecar } from './app.ts';
import { readConfig } from './config.ts';

const logger = createLogger({ level: 'silent', service: 'sidecar' });
const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';

type Asked = {
  scopes: readonly string[];
  claims?: string | undefined;
  traceId?: string | undefined;
  userToken?: string;
};

describe('the sidecar', () => {
  let issuer: FakeIssuer;
  let server: Serving;
  let downstream: Serving;
  let result: TokenResult;
  const asked: Asked[] = [];
  const seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[] = [];

  before(async () => {
    issuer = await openIssuer();
    downstream = await serve(
      async (req, res) => {
        seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body: await text(req) });
        if (req.url === '/v1.0/moved') return void res.writeHead(302, { location: '/elsewhere' }).end();
        if (req.url === '/v1.0/nothing') return void res.writeHead(204).end();
        if (req.url === '/v1.0/cut') return void res.socket?.destroy();
        res
          .writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b', 'x-internal': '1' })
          .end('{"a":1}');
      },
      { port: 0, host: '127.0.0.1', drainMs: 0 },
    );
    const config = readConfig({
      BROKER_URL: 'http://token-broker:8080',
      BROKER_ASSERTION_FILE: '/none',
      AzureAd__Instance: `${issuer.origin}/`,
      AzureAd__TenantId: issuer.tenant,
      AzureAd__ClientId: issuer.audience,
      AZUREAD__SCOPES: 'access_as_user other',
      DownstreamApis__Graph__BaseUrl: `http://127.0.0.1:${downstream.port}/v1.0/`,
      DownstreamApis__Graph__RelativePath: 'me',
      DownstreamApis__Graph__Scopes__0: 'User.Read',
      DownstreamApis__Graph__ExtraHeaderParameters__ConsistencyLevel: 'eventual',
      DownstreamApis__App__BaseUrl: `http://127.0.0.1:${downstream.port}/`,
      DownstreamApis__App__Scopes: 'api://app/.default',
      DownstreamApis__App__RequestAppToken: 'True',
      DownstreamApis__Bare__RelativePath: 'x',
    });
    const api = new ProtectedApi(config.entra);
    const acquire = async (one: Asked) => {
      asked.push(one);
      return result;
    };
    const tokens = { appToken: acquire, onBehalfOf: acquire };
    server = await serve(new Sidecar({ api, tokens, config, logger }).app(), {
      port: 0,
      host: '127.0.0.1',
      drainMs: 0,
    });
  });
  beforeEach(() => {
    asked.length = 0;
    seen.length = 0;
    result = { kind: 'token', accessToken: 'the-token', expiresInSeconds: 60 };
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await downstream[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  type Init = { method?: string; token?: string; body?: string; headers?: Record<string, string> };

  async function send(path: string, { token = issuer.user(), headers = {}, ...init }: Init = {}) {
    const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    const url = `http://localhost:${server.port}${path}`;
    const response = await fetch(url, { ...init, headers: { ...authorization, ...headers } });
    const body = await response.text();
    return { status: response.status, headers: response.headers, body: body.startsWith('{') ? JSON.parse(body) : body };
  }
  const header = (query = '', init: Init = {}) => send(`/AuthorizationHeader/Graph${query}`, init);
  const call = (query = '', init: Init = {}) => send(`/DownstreamApi/Graph${query}`, { method: 'POST', ...init });

  it('says who a token is of, to its pod', async () => {
    const token = issuer.user();
    const { status, body } = await send('/Validate', { token });
    assert.deepEqual([status, body.protocol, body.token, body.claims.oid !== undefined], [200, 'Bearer', token, true]);
    const none = await send('/validate', { token: '' });
    assert.deepEqual([none.status, none.headers.get('www-authenticate')], [401, 'Bearer']);
    assert.equal((await send('/Validate', { token: issuer.user({ scp: 'unlike' }) })).status, 403);
    assert.equal((await send('/Validate', { token: `${token}x` })).status, 401);
    assert.equal((await send('/healthz', { token: '' })).body, 'Healthy');
  });

  it('gives a header on behalf of the caller, for the scopes of the API or of the request', async () => {
    const token = issuer.user();
    const { status, body, headers } = await header('', { token });
    assert.deepEqual([status, body], [200, { authorizationHeader: 'Bearer the-token' }]);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.deepEqual(asked, [{ scopes: ['User.Read'], claims: undefined, traceId: undefined, userToken: token }]);
    const correlation = '2f2ae0b4-1111-4222-8333-444455556666';
    await header(
      `?optionsOverride.Scopes=Mail.Read&optionsOverride.Scopes=User.Read&optionsoverride.acquiretokenoptions.claims=${encodeURIComponent(claims)}&optionsOverride.AcquireTokenOptions.CorrelationId=${correlation}`,
    );
    assert.deepEqual(
      [asked[1]?.scopes, asked[1]?.claims, asked[1]?.traceId],
      [['Mail.Read', 'User.Read'], claims, correlation.replaceAll('-', '')],
    );
  });

  it('gives a header of the app where the API or the request asks for it', async () => {
    await send('/AuthorizationHeaderUnauthenticated/app', { token: '' });
    await header('?optionsOverride.RequestAppToken=true&optionsOverride.Scopes=api://x/.default');
    assert.deepEqual(
      asked.map(({ scopes, userToken }) => [scopes[0], userToken]),
      [
        ['api://app/.default', undefined],
        ['api://x/.default', undefined],
      ],
    );
    // An override can ask for an app token, not take it back; without authentication nothing is overridden.
    await send('/AuthorizationHeaderUnauthenticated/App?optionsOverride.Scopes=a/.default', { token: '' });
    assert.deepEqual(asked[2]?.scopes, ['api://app/.default']);
    const nobody = await send('/AuthorizationHeaderUnauthenticated/Graph', { token: '' });
    assert.equal(nobody.status, 401);
    assert.match(nobody.body.detail, /There is no user/);
  });

  it('calls the API, and passes on its status, content headers and content', async () => {
    const { status, body } = await call('', { body: '{"q":1}', headers: { 'content-type': 'application/json' } });
    assert.equal(status, 200);
    assert.deepEqual(body, { statusCode: 200, headers: { 'Content-Type': ['application/json'] }, content: '{"a":1}' });
    const [{ method, url, headers }] = seen as [(typeof seen)[number]];
    assert.deepEqual([method, url, headers.authorization], ['GET', '/v1.0/me', 'Bearer the-token']);
    assert.deepEqual([headers.accept, headers.consistencylevel], ['application/json', 'eventual']);
    await call(
      '?optionsOverride.HttpMethod=patch&optionsOverride.RelativePath=me/x%3Fa%3D1&optionsOverride.ExtraQueryParameters.$top=5&optionsOverride.ExtraHeaderParameters.X-A=b&optionsOverride.AcceptHeader=text/plain',
      { body: 'text', headers: { 'content-type': 'text/plain' } },
    );
    const second = seen[1];
    assert.deepEqual([second?.method, second?.url, second?.body], ['PATCH', '/v1.0/me/x?a=1&%24top=5', 'text']);
    assert.deepEqual([second?.headers['x-a'], second?.headers.accept], ['b', 'text/plain']);
    assert.equal((await call('?optionsOverride.RelativePath=nothing')).body.content, null);
    assert.equal((await call('?optionsOverride.RelativePath=moved')).body.statusCode, 302);
    assert.equal((await call('?optionsOverride.RelativePath=cut')).status, 502);
  });

  it('never sends the token to another host', async () => {
    await call('?optionsOverride.BaseUrl=http://attacker.test/');
    assert.equal(seen.length, 1);
    for (const path of [
      '../admin',
      'a/../../admin',
      '%2e%2e/admin',
      '%252e%252e/admin',
      '..;/admin',
      '..%3b/admin',
      '.. /admin',
      'a\\..\\b',
      '%5c%5cattacker.test',
      '//attacker.test/x',
      'http://attacker.test/',
      '/%2fattacker.test',
      '@attacker.test/',
      ':80@attacker.test/',
      '%c0%ae%c0%ae/admin',
      'a%00b',
      'a%0d%0ab',
    ]) {
      const before = seen.length;
      const { status } = await call(`?optionsOverride.RelativePath=${encodeURIComponent(path)}`);
      const sent = seen.slice(before);
      // Refused, or a path below the base like any other.
      assert.ok(status === 400 || sent.every(({ url }) => /^\/v1\.0\/[@:]/.test(url)), `${path}: ${status}`);
      assert.equal(sent.length, status === 400 ? 0 : 1, path);
    }
  });

  for (const [why, query] of [
    ['a header that is ours', '?optionsOverride.ExtraHeaderParameters.Authorization=Bearer%20x'],
    ['the host', '?optionsOverride.ExtraHeaderParameters.Host=attacker.test'],
    ['a hop', '?optionsOverride.ExtraHeaderParameters.Transfer-Encoding=chunked'],
    ['a line break in a header', '?optionsOverride.ExtraHeaderParameters.X-A=b%0d%0aX-B:c'],
    ['a line break in its name', '?optionsOverride.ExtraHeaderParameters.X-A%0d%0aX-B=c'],
    ['a line break in Accept', '?optionsOverride.AcceptHeader=a%0d%0ab'],
    ['a method that opens tunnels', '?optionsOverride.HttpMethod=CONNECT'],
    ['claims that are no JSON', '?optionsOverride.AcquireTokenOptions.Claims=x'],
    ['a correlation id that is none', '?optionsOverride.AcquireTokenOptions.CorrelationId=x'],
    ['another tenant', '?optionsOverride.AcquireTokenOptions.Tenant=common'],
    ['proof of possession', '?optionsOverride.AcquireTokenOptions.PopPublicKey=x'],
    ['a managed identity', '?optionsOverride.AcquireTokenOptions.ManagedIdentity.UserAssignedClientId=x'],
    ['an agent', '?AgentIdentity=x'],
    ['a section for a value', '?optionsOverride.AcquireTokenOptions=x'],
  ] as const) {
    it(`refuses ${why} with 400 and a sentence, and asks for no token`, async () => {
      for (const send of [header, call]) {
        const { status, body, headers } = await send(query);
        assert.equal(status, 400, JSON.stringify(body));
        assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
        assert.match(body.detail, /\.$/);
        assert.match(body.correlation_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      }
      assert.deepEqual([asked.length, seen.length], [0, 0]);
    });
  }

  it('refuses an API that is not configured, has no scopes, or no URL', async () => {
    for (const name of ['Other', '__proto__', 'constructor', 'Bare'])
      assert.equal((await send(`/AuthorizationHeader/${name}`)).status, 400, name);
    const { status } = await send('/DownstreamApi/Bare?optionsOverride.Scopes=a', { method: 'POST' });
    assert.equal(status, 400);
  });

  it('tells what the user must do, and when to come back', async () => {
    const of = async (kind: TokenResult) => {
      result = kind;
      const { status, headers, body } = await header();
      return { status, retryAfter: headers.get('retry-after'), challenge: headers.get('www-authenticate'), body };
    };
    const stepUp = await of({ kind: 'interaction_required', claims });
    assert.equal(stepUp.status, 401);
    assert.match(stepUp.challenge ?? '', /insufficient_claims/);
    const consent = await of({ kind: 'consent_required', scopes: ['a', 'b'], adminOnly: false });
    assert.deepEqual([consent.status, consent.body.scope], [401, 'a b']);
    assert.equal((await of({ kind: 'login_required' })).status, 401);
    assert.equal((await of({ kind: 'ended' })).status, 401);
    assert.equal((await of({ kind: 'refused', error: 'invalid_scope' })).status, 401);
    assert.equal((await of({ kind: 'refused', error: 'invalid_client' })).status, 500);
    const throttled = await of({ kind: 'throttled', retryAfterSeconds: 7 });
    assert.deepEqual([throttled.status, throttled.retryAfter], [429, '7']);
    const away = await of({ kind: 'unavailable', retryAfterSeconds: 2 });
    assert.deepEqual([away.status, away.retryAfter], [503, '2']);
  });

  it('serves only its own pod, by the name of localhost', async () => {
    for (const host of ['attacker.test', 'localhost.attacker.test', '127.0.0.1.nip.test']) {
      const status = await new Promise((resolve, reject) => {
        const req = request({ port: server.port, host: '127.0.0.1', path: '/Validate', headers: { host } }, (res) => {
          res.resume();
          resolve(res.statusCode);
        });
        req.on('error', reject).end();
      });
      assert.equal(status, 400, host);
    }
    assert.equal(readConfig(minimal()).http.host, '127.0.0.1');
  });

  it('refuses 1 MB of overrides, and a body beyond its limit', async () => {
    assert.equal((await header(`?optionsOverride.Scopes=${'a'.repeat(1 << 20)}`)).status, 431);
    const body = 'a'.repeat(5 << 20);
    assert.equal((await call('', { body, headers: { 'content-type': 'text/plain' } })).status, 413);
  });
});

const minimal = () => ({
  BROKER_URL: 'http://token-broker:8080',
  BROKER_ASSERTION_FILE: '/none',
  AzureAd__TenantId: 'c0de0000-7e57-4000-8000-000000000001',
  AzureAd__ClientId: 'a9100000-7e57-4000-8000-000000000021',
});

describe('the configuration of the sidecar', () => {
  it('has Microsoft’s defaults', () => {
    const { allowOverrides, allowRedirects, entra } = readConfig(minimal());
    assert.deepEqual(allowOverrides, {
      getauthorizationheader: true,
      getauthorizationheaderunauthenticated: false,
      calldownstreamapi: true,
      calldownstreamapiunauthenticated: false,
    });
    assert.deepEqual([allowRedirects, entra.authorityHost], [false, 'https://login.microsoftonline.com']);
  });

  it('reads the switches however .NET writes them', () => {
    const { allowOverrides } = readConfig({
      ...minimal(),
      Sidecar__AllowOverrides__GetAuthorizationHeaderUnauthenticated: 'True',
      SIDECAR__ALLOWOVERRIDES__CALLDOWNSTREAMAPI: 'false',
    });
    assert.deepEqual(
      [allowOverrides.getauthorizationheaderunauthenticated, allowOverrides.calldownstreamapi],
      [true, false],
    );
  });

  for (const [name, value] of [
    ['AzureAd__TenantId', 'common'],
    ['AzureAd__ClientId', 'api://x'],
    ['AzureAd__Instance', 'http://login.example.com'],
    ['BROKER_URL', 'token-broker'],
    ['DownstreamApis__Graph__BaseUrl', 'ftp://x'],
    ['DownstreamApis__Graph__HttpMethod', 'TRACE'],
    ['DownstreamApis__Graph__ExtraHeaderParameters__Host', 'x'],
    ['Sidecar__AllowOverrides__CallDownstreamApi', 'yes'],
  ] as const) {
    it(`refuses ${name}=${value} by name`, () => {
      const [section = '', api = ''] = name.toLowerCase().split('__');
      const named = new RegExp(`${section}|${api}|${name}`, 'i');
      assert.throws(() => readConfig({ ...minimal(), [name]: value }), { name: 'ConfigError', message: named });
    });
  }
});
