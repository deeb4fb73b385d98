import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ProtectedApi } from '@onbehalf/node/api/protected-api';
import { BrokerClient, type TokenResult } from '@onbehalf/node/broker/client';
import { claimsChallenge } from '@onbehalf/node/core/challenge';
import type { HttpClient } from '@onbehalf/node/core/http-client';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { keepSpans } from '@onbehalf/node/core/telemetry/spans.fake';
import { inOwnTrace } from '@onbehalf/node/core/telemetry/tracing';
import type { Express, Router } from 'express';
import { acquireHeader } from './acquire.ts';
import { apiSchema } from './api-options.ts';
import { createSidecar } from './app.ts';
import { readConfig } from './config.ts';

const logger = createLogger({ level: 'silent', service: 'sidecar' });
const agent = 'a6e00000-7e57-4000-8000-000000000091';
const empty = '00000000-0000-0000-0000-000000000000';
const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const challenge = `Bearer error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`;

type Asked = {
  scopes: readonly string[];
  claims?: string | undefined;
  traceId?: string | undefined;
  userToken?: string;
  agent?: string | undefined;
  username?: string | undefined;
  userId?: string | undefined;
};

describe('the sidecar', () => {
  let issuer: FakeIssuer;
  let server: Serving;
  let downstream: Serving;
  let app: Express;
  let result: TokenResult;
  /** What is given where claims are asked for. */
  let withClaims: TokenResult | undefined;
  /** The address that a caller seems to have. */
  let from: string | undefined;
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
        if (req.url === '/v1.0/large') return void res.end('a'.repeat((16 << 20) + 1));
        if (req.url === '/v1.0/guarded' && req.headers.authorization !== 'Bearer with-claims')
          return void res.writeHead(401, { 'www-authenticate': challenge }).end('no');
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
      return one.claims && withClaims ? withClaims : result;
    };
    const tokens = { appToken: acquire, onBehalfOf: acquire, agentUser: acquire };
    app = createSidecar({ api, tokens, config, logger });
    server = await serve(
      (req, res) => {
        if (from !== undefined) Object.defineProperty(req.socket, 'remoteAddress', { value: from, configurable: true });
        app(req, res);
        if (from !== undefined) Reflect.deleteProperty(req.socket, 'remoteAddress');
      },
      { port: 0, host: '127.0.0.1', drainMs: 0 },
    );
  });
  beforeEach(() => {
    asked.length = 0;
    seen.length = 0;
    result = { kind: 'token', accessToken: 'the-token', expiresInSeconds: 60 };
    withClaims = undefined;
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
    const [{ traceId = '', ...first }] = asked as [Asked];
    assert.deepEqual(first, { scopes: ['User.Read'], claims: undefined, userToken: token });
    assert.match(traceId, /^[0-9a-f]{32}$/);
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
    await call('?optionsOverride.HttpMethod=post&optionsOverride.ContentType=application/xml', { body: '<a/>' });
    assert.equal(seen[2]?.headers['content-type'], 'application/xml');
    assert.equal((await call('?optionsOverride.RelativePath=nothing')).body.content, null);
    assert.equal((await call('?optionsOverride.RelativePath=moved')).body.statusCode, 302);
    assert.equal((await call('?optionsOverride.RelativePath=cut')).status, 502);
  });

  it('adds up the scopes of a request, whatever their case, and takes the last of anything else', async () => {
    const scopes =
      'optionsOverride.Scopes=a&optionsoverride.scopes=b%20c&OptionsOverride.SCOPES=&optionsOverride.Scopes.0=d';
    await call(
      `?${scopes}&optionsOverride.HttpMethod=delete&optionsOverride.httpmethod=put&optionsOverride.HttpMethod=`,
    );
    assert.deepEqual(asked[0]?.scopes, ['a', 'b', 'c', 'd']);
    assert.equal(seen[0]?.method, 'PUT');
  });

  it('knows no option by a name that objects have', async () => {
    await call(
      '?__proto__.scopes=x&optionsOverride.__proto__.scopes=x&optionsOverride.ExtraQueryParameters.__proto__=x&optionsOverride.a.b=c',
    );
    assert.deepEqual([asked[0]?.scopes, ({} as Record<string, unknown>).scopes], [['User.Read'], undefined]);
  });

  it('sends an accepted type once, and a header of the configuration in the case of the request', async () => {
    const header = 'optionsOverride.ExtraHeaderParameters';
    await call(`?${header}.consistencylevel=session&${header}.Accept=text/csv`);
    await call(`?${header}.Accept=text/csv&optionsOverride.AcceptHeader=text/html`);
    assert.deepEqual(
      seen.map(({ headers }) => [headers.consistencylevel, headers.accept]),
      [
        ['session', 'text/csv'],
        ['eventual', 'text/html'],
      ],
    );
  });

  it('calls once more with a token that has the claims which the API asks for, body and all', async () => {
    withClaims = { kind: 'token', accessToken: 'with-claims', expiresInSeconds: 60 };
    const query = '?optionsOverride.RelativePath=guarded&optionsOverride.HttpMethod=POST';
    assert.equal((await call(query, { body: 'text' })).body.statusCode, 200);
    assert.deepEqual(
      seen.map(({ headers, body }) => [headers.authorization, body]),
      [
        ['Bearer the-token', 'text'],
        ['Bearer with-claims', 'text'],
      ],
    );
    assert.deepEqual(
      asked.map(({ claims }) => claims),
      [undefined, claims],
    );
    // A token that does not satisfy the API is not asked for again and again.
    withClaims = { kind: 'token', accessToken: 'other', expiresInSeconds: 60 };
    assert.equal((await call(query)).body.statusCode, 401);
    assert.equal(seen.length, 4);
    withClaims = { kind: 'interaction_required', claims };
    const { status, body } = await call(query);
    assert.deepEqual([status, body.title, body.claims], [401, 'insufficient_claims', claims]);
  });

  it('passes on no response that is larger than 16 MB', async () => {
    assert.equal((await call('?optionsOverride.RelativePath=large')).status, 502);
  });

  it('sends the token to no other host, whatever BaseUrl is asked for', async () => {
    for (const name of ['BaseUrl', 'baseurl', 'BASEURL'])
      assert.equal((await call(`?optionsOverride.${name}=http://attacker.test/`)).status, 200);
    assert.deepEqual(
      seen.map(({ url, headers }) => [url, headers.host]),
      Array.from({ length: 3 }, () => ['/v1.0/me', `127.0.0.1:${downstream.port}`]),
    );
  });

  const leadsOut = 'optionsOverride.RelativePath leads out of the API.';
  for (const [path, sent] of [
    ['../admin', undefined],
    ['a/../../admin', undefined],
    ['%2e%2e/admin', undefined],
    ['%252e%252e/admin', undefined],
    ['..;/admin', undefined],
    ['..%3b/admin', undefined],
    ['.. /admin', undefined],
    ['./admin', undefined],
    ['a\\..\\b', undefined],
    ['%5c%5cattacker.test', undefined],
    ['//attacker.test/x', undefined],
    ['http://attacker.test/', undefined],
    ['/%2fattacker.test', undefined],
    ['file:///etc/passwd', undefined],
    ['%c0%ae%c0%ae/admin', undefined],
    ['a%00b', undefined],
    ['a%0d%0ab', undefined],
    ['a/(..)/b', undefined],
    ['a/%EF%BC%8E%EF%BC%8E/b', undefined],
    ['a%2f..%2fb', undefined],
    ['\u2025/b', undefined],
    // A path below the base like any other.
    ["drive/root:/Übung 1's.txt:/content", "/v1.0/drive/root:/%C3%9Cbung%201's.txt:/content"],
    ['groups/a%2Fb', '/v1.0/groups/a%2Fb'],
    ["reports/getX(period='D7')?$top=1", "/v1.0/reports/getX(period='D7')?$top=1"],
    ['@attacker.test/', '/v1.0/@attacker.test/'],
    [':80@attacker.test/', '/v1.0/:80@attacker.test/'],
    ['javascript:alert(1)', '/v1.0/javascript:alert(1)'],
    ['a?next=http://attacker.test/../#x', '/v1.0/a?next=http://attacker.test/../'],
  ] as const) {
    it(`${sent ? 'sends' : 'refuses'} the path ${JSON.stringify(path)}${sent ? ' below the base URL' : ''}`, async () => {
      const { status, body } = await call(`?optionsOverride.RelativePath=${encodeURIComponent(path)}`);
      const expected = sent ? [200, undefined, [sent]] : [400, leadsOut, []];
      assert.deepEqual([status, body.detail, seen.map(({ url }) => url)], expected);
    });
  }

  const token = 'optionsOverride.AcquireTokenOptions';
  const notYours = 'optionsOverride.extraheaderparameters holds a header that is not yours to set.';
  const noUserId = 'AgentUserId must be a non-empty GUID.';
  const noHeader = 'optionsOverride.extraheaderparameters holds what is no header.';
  for (const [why, query, detail] of [
    ['a header that is ours', 'optionsOverride.ExtraHeaderParameters.Authorization=Bearer%20x', notYours],
    ['it in another case', 'optionsoverride.extraheaderparameters.aUTHORIZATION=x', notYours],
    ['the host', 'optionsOverride.ExtraHeaderParameters.Host=attacker.test', notYours],
    ['a cookie', 'optionsOverride.ExtraHeaderParameters.Cookie=a%3Db', notYours],
    ['a length', 'optionsOverride.ExtraHeaderParameters.Content-Length=0', notYours],
    ['a hop', 'optionsOverride.ExtraHeaderParameters.Transfer-Encoding=chunked', notYours],
    ['a proxy', 'optionsOverride.ExtraHeaderParameters.Proxy-Authorization=x', notYours],
    ['an address of somebody', 'optionsOverride.ExtraHeaderParameters.X-Forwarded-For=127.0.0.1', notYours],
    ['it as CGI reads it', 'optionsOverride.ExtraHeaderParameters.X_Forwarded.For=127.0.0.1', notYours],
    ['a name of somebody', 'optionsOverride.ExtraHeaderParameters.X-MS-CLIENT-PRINCIPAL=x', notYours],
    ['another path', 'optionsOverride.ExtraHeaderParameters.X-Original-URL=/admin', notYours],
    ['another method', 'optionsOverride.ExtraHeaderParameters.X-HTTP-Method-Override=DELETE', notYours],
    [
      'a line break in a header',
      'optionsOverride.ExtraHeaderParameters.X-A=b%0d%0aX-B:c',
      'optionsOverride.extraheaderparameters holds what no header may.',
    ],
    ['a line break in its name', 'optionsOverride.ExtraHeaderParameters.X-A%0d%0aX-B=c', noHeader],
    ['a colon in its name', 'optionsOverride.ExtraHeaderParameters.X-A:=c', noHeader],
    [
      'a line break in Accept',
      'optionsOverride.AcceptHeader=a%0d%0ab',
      'optionsOverride.acceptheader holds what no header may.',
    ],
    [
      'one in Content-Type',
      'optionsOverride.ContentType=a%0d%0ab',
      'optionsOverride.contenttype holds what no header may.',
    ],
    [
      'a method that opens tunnels',
      'optionsOverride.HttpMethod=CONNECT',
      'optionsOverride.httpmethod is no method of a request.',
    ],
    [
      'claims that are no JSON',
      `${token}.Claims=x`,
      'optionsOverride.acquiretokenoptions holds claims that are no JSON object.',
    ],
    [
      'a correlation id that is none',
      `${token}.CorrelationId=x`,
      'optionsOverride.acquiretokenoptions holds a correlation id that is no GUID.',
    ],
    ['another tenant', `${token}.Tenant=common`, 'AcquireTokenOptions.Tenant is not the tenant of AzureAd__TenantId.'],
    [
      'proof of possession',
      `${token}.PopPublicKey=x`,
      'Proof of possession (AcquireTokenOptions.PopPublicKey) is not supported.',
    ],
    [
      'a managed identity',
      `${token}.ManagedIdentity.UserAssignedClientId=x`,
      'AcquireTokenOptions.ManagedIdentity is not supported: the broker has the credentials.',
    ],
    [
      'a long session',
      `${token}.LongRunningWebApiSessionKey=x`,
      'AcquireTokenOptions.LongRunningWebApiSessionKey is not supported.',
    ],
    ['an FMI path', `${token}.FmiPath=x`, 'AcquireTokenOptions.FmiPath is not supported.'],
    ['an agent that is no GUID', 'AgentIdentity=x', 'AgentIdentity must be a non-empty GUID.'],
    ['the empty agent', `AgentIdentity=${empty}`, 'AgentIdentity must be a non-empty GUID.'],
    ['two agents', `AgentIdentity=${agent}&agentidentity=${agent}`, 'AgentIdentity may be sent once.'],
    ['the user of an agent without a value', `AgentIdentity=${agent}&AgentUserId=`, noUserId],
    ['a user of no agent', 'AgentUsername=x', 'AgentIdentity is missing: whose user is it?'],
    ["an agent's user whose id is none", `AgentIdentity=${agent}&AgentUserId=${empty}`, noUserId],
    [
      "an agent's user of a long name",
      `AgentIdentity=${agent}&AgentUsername=${'x'.repeat(257)}`,
      'AgentUsername may have 256 characters.',
    ],
    [
      'a section for a value',
      `${token}=x`,
      'optionsOverride.acquiretokenoptions Invalid input: expected object, received string.',
    ],
  ] as const) {
    it(`refuses ${why} with 400 and a sentence, and asks for no token`, async () => {
      for (const send of [header, call]) {
        const { status, body, headers } = await send(`?${query}`);
        assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
        const { correlation_id, ...problem } = body;
        assert.deepEqual(
          [status, problem],
          [400, { type: 'about:blank', title: 'invalid_request', status: 400, detail }],
        );
        assert.match(correlation_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      }
      assert.deepEqual([asked.length, seen.length], [0, 0]);
    });
  }

  it('acts through an agent: for it, on behalf of the user, or as its own user, whose name wins over the id', async () => {
    const unauthenticated = (query: string) => send(`/AuthorizationHeaderUnauthenticated/Graph?${query}`);
    const app = `AgentIdentity=${agent}&optionsOverride.RequestAppToken=true`;
    const user = `agentidentity=${agent}&AgentUserId=${agent}`;
    for (const get of [
      () => header(`?${app}`),
      () => header(`?AgentIdentity=${agent}`),
      () => unauthenticated(user),
      () => header(`?${user}&AgentUsername=a@b`),
    ])
      assert.equal((await get()).status, 200);
    const seenBy = asked.map((one) => [one.agent, Boolean(one.userToken), one.username, one.userId]);
    assert.deepEqual(seenBy, [
      [agent, false, undefined, undefined],
      [agent, true, undefined, undefined],
      [agent, false, undefined, agent],
      [agent, false, 'a@b', undefined],
    ]);
    assert.equal((await unauthenticated(`AgentIdentity=${agent}`)).status, 401, 'there is no user');
    assert.equal((await header('?AgentIdentity=%20')).status, 200);
    assert.equal(asked.at(-1)?.agent, undefined);
  });

  it('refuses an API that is not configured, has no scopes, or no URL', async () => {
    for (const name of ['Other', '__proto__', 'constructor', 'Bare'])
      assert.equal((await send(`/AuthorizationHeader/${name}`)).status, 400, name);
    const { status } = await send('/DownstreamApi/Bare?optionsOverride.Scopes=a', { method: 'POST' });
    assert.equal(status, 400);
  });

  it('tells what the user must do, and when to come back', async () => {
    const correlation_id = '2f2ae0b4-1111-4222-8333-444455556666';
    const told = { errorCodes: [65_001], correlationId: correlation_id };
    const of = async (kind: TokenResult) => {
      result = kind;
      const { status, headers, body } = await header();
      const { type: _type, title, detail: _detail, status: _status, ...members } = body;
      return { status, title, members, headers };
    };
    const stepUp = await of({ kind: 'interaction_required', claims, ...told });
    assert.deepEqual([stepUp.status, stepUp.title], [401, 'insufficient_claims']);
    assert.deepEqual(stepUp.members, { claims, error_codes: [65_001], correlation_id });
    assert.equal(claimsChallenge(stepUp.headers.get('www-authenticate')), claims);
    const consent = await of({ kind: 'consent_required', scopes: ['a', 'b'], adminOnly: false, ...told });
    assert.deepEqual([consent.status, consent.title], [401, 'invalid_token']);
    assert.deepEqual(consent.members, { scope: 'a b', error_codes: [65_001], correlation_id });
    for (const again of [{ kind: 'login_required' }, { kind: 'ended' }] as const) {
      const { status, members, headers } = await of({ ...again, ...told });
      assert.deepEqual([status, members], [401, { error_codes: [65_001], correlation_id }]);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/);
    }
    assert.equal((await of({ kind: 'refused', error: 'invalid_scope', ...told })).status, 401);
    const ours = await of({ kind: 'refused', error: 'invalid_client', ...told });
    assert.deepEqual([ours.status, ours.members], [500, { error_codes: [65_001], correlation_id }]);
    const throttled = await of({ kind: 'throttled', retryAfterSeconds: 7 });
    assert.deepEqual([throttled.status, throttled.headers.get('retry-after')], [429, '7']);
    const away = await of({ kind: 'unavailable', retryAfterSeconds: 2 });
    assert.deepEqual([away.status, away.headers.get('retry-after')], [503, '2']);
    assert.match(away.members.correlation_id, /^[0-9a-f-]{36}$/);
  });

  it('has the caller’s own correlation id in a problem, and takes an empty one for none', async () => {
    result = { kind: 'login_required' };
    const id = '2f2ae0b4-1111-4222-8333-444455556666';
    const of = async (value: string) => (await header(`?${token}.CorrelationId=${value}`)).body.correlation_id;
    assert.deepEqual([await of(id), await of(id.toUpperCase())], [id, id]);
    assert.notEqual(await of('00000000-0000-0000-0000-000000000000'), '00000000-0000-0000-0000-000000000000');
  });

  it('describes every operation that it serves, and every option that a request may override', async () => {
    const { status, body } = await send('/openapi/v1.json', { token: '' });
    assert.equal(status, 200);
    const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path.replace('{apiName}', ':api')}`),
    );
    assert.deepEqual(described.sort(), routesOf(app).sort());
    const names = Object.values(body.components.parameters as Record<string, { name: string }>).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    const { acquiretokenoptions, ...options } = apiSchema.shape;
    const { tenant, claims, correlationid } = acquiretokenoptions.unwrap().shape;
    const known = [
      ...Object.keys(options).filter((name) => !name.startsWith('extra')),
      ...Object.keys({ tenant, claims, correlationid }).map((name) => `acquiretokenoptions.${name}`),
    ].map((name) => `optionsoverride.${name}`);
    // Asked for by programs, and without effect here.
    known.push('optionsoverride.acquiretokenoptions.forcerefresh', 'apiname');
    known.push('agentidentity', 'agentusername', 'agentuserid');
    assert.deepEqual(names.map((name) => name.toLowerCase()).sort(), known.sort());
  });

  it('serves only its own pod, by the name of localhost', async () => {
    const ask = async (hosts: string[], path = '/Validate') => {
      const headers = hosts.flatMap((host) => ['Host', host]);
      const sent = request({ port: server.port, host: '127.0.0.1', path, headers }).end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    for (const host of ['localhost', 'LocalHost:5178', '127.0.0.1', '[::1]:5178']) assert.equal(await ask([host]), 401);
    for (const host of ['attacker.test', 'localhost.attacker.test', '127.0.0.1.nip.test', 'localhost:80@attacker.test'])
      assert.equal(await ask([host]), 400, host);
    assert.equal(await ask(['localhost', 'attacker.test']), 400, 'Node takes the first');
    // Of an absolute form the host is in the target. RFC 9112 section 3.2.2.
    assert.equal(await ask(['localhost'], 'http://attacker.test/Validate'), 400);
    assert.equal(readConfig(minimal()).http.host, '127.0.0.1');
  });

  it('is closed to who reaches it from outside loopback, its health excepted', async () => {
    for (const [address, status] of [
      ['10.0.0.7', 403],
      ['::ffff:10.0.0.7', 403],
      ['fe80::1', 403],
      ['128.0.0.1', 403],
      ['', 403],
      ['127.0.0.2', 401],
      ['::1', 401],
      ['::ffff:127.0.0.1', 401],
    ] as const) {
      from = address;
      const asked = await send('/AuthorizationHeader/Graph', { token: '' });
      assert.equal(asked.status, status, address);
      if (status === 403) assert.equal(asked.body.detail, 'Only programs of this pod may call the sidecar.');
      assert.equal((await send('/healthz', { token: '' })).status, 200);
    }
    from = undefined;
  });

  it('does nothing for a page of a browser, whose requests say their origin', async () => {
    for (const origin of ['https://attacker.test', `http://localhost:${server.port}`, 'null'])
      assert.equal((await call('', { headers: { origin } })).status, 403, origin);
    assert.deepEqual([asked.length, seen.length], [0, 0]);
  });

  it('refuses 1 MB of overrides, and a body beyond its limit', async () => {
    const overrides = await header(`?optionsOverride.Scopes=${'a'.repeat(1 << 20)}`);
    const says = { error: 'invalid_request', error_description: 'The request headers are too large.' };
    assert.deepEqual([overrides.status, overrides.body, asked.length], [431, says, 0]);
    const body = 'a'.repeat(5 << 20);
    const long = await call('', { body, headers: { 'content-type': 'text/plain' } });
    assert.deepEqual([long.status, long.body.detail, asked.length], [413, 'The request body is too large.', 0]);
  });
});

describe('the correlation id of a caller', () => {
  it('goes to the broker as the trace id, also within a trace of ours', async () => {
    keepSpans();
    let traceparent: string | null = null;
    const http: HttpClient = async (_url, { headers }) => {
      traceparent = new Headers(headers).get('traceparent');
      return Response.json({ access_token: 'x', token_type: 'Bearer' });
    };
    const tokens = new BrokerClient({ url: 'http://broker.test', assertion: async () => 'pod', http });
    const correlationid = '2f2ae0b4-1111-4222-8333-444455556666';
    const options = apiSchema.parse({ requestapptoken: 'true', acquiretokenoptions: { correlationid } });
    const traceId = correlationid.replaceAll('-', '');
    const asked = { options, user: undefined, traceId };
    await inOwnTrace('request', () => acquireHeader(tokens, asked));
    assert.match(`${traceparent}`, new RegExp(`^00-${traceId}-`));
  });
});

/** The operations of the contract, as `get /Validate`. */
function routesOf(app: Express): string[] {
  const routers = app.router.stack.flatMap(({ handle }) => ('stack' in handle ? [handle as unknown as Router] : []));
  const routes = routers.flatMap(({ stack }) => stack.flatMap(({ route }) => route ?? []));
  const all = routes.flatMap(({ path, stack }) => [...new Set(stack.map(({ method }) => `${method} ${path}`))]);
  return all.filter((one) => !/\/(healthz|openapi\/v1\.json)$/.test(one));
}

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

  it('names all that is wrong at once, in Microsoft’s spelling of sections', () => {
    const wrong = { ...minimal(), BROKER_URL: 'x', AzureAd__TenantId: 'x', DownstreamApis__Graph__BaseUrl: 'x' };
    const named = ['BROKER_URL: ', 'azuread__tenantid: ', 'downstreamapis__graph__baseurl: '];
    for (const name of named) assert.throws(() => readConfig(wrong), { message: new RegExp(`^  ${name}`, 'm') });
  });

  it('takes blank for absent, and a variable that only has the name of a section for none of it', () => {
    const { apis, entra } = readConfig({ ...minimal(), AzureAd__Scopes: ' ', Sidecar: 'x', DownstreamApis: 'x' });
    assert.deepEqual([apis.size, entra.scopes], [0, []]);
  });

  for (const [name, value] of [
    ['AzureAd__TenantId', 'common'],
    ['AzureAd__ClientId', 'api://x'],
    ['AzureAd__Instance', 'http://login.example.com'],
    ['BROKER_URL', 'token-broker'],
    ['DownstreamApis__Graph__BaseUrl', 'ftp://x'],
    ['DownstreamApis__Graph__HttpMethod', 'TRACE'],
    ['DownstreamApis__Graph__ExtraHeaderParameters__Host', 'x'],
    ['DownstreamApis__Graph__AcquireTokenOptions__FmiPath', 'x'],
    ['DownstreamApis__Graph__Scopes', ','],
    ['Sidecar__AllowOverrides__CallDownstreamApi', 'yes'],
  ] as const) {
    it(`refuses ${name}=${value} by name`, () => {
      const [section = '', api = ''] = name.toLowerCase().split('__');
      const named = new RegExp(`${section}|${api}|${name}`, 'i');
      assert.throws(() => readConfig({ ...minimal(), [name]: value }), { name: 'ConfigError', message: named });
    });
  }
});
