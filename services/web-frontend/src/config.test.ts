import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/chassis/config';
import { apisSchema, inOurWords, knownScopes, scopesFor } from './apis.ts';
import { readConfig } from './config.ts';

const good = {
  PUBLIC_BASE_URL: 'https://app.example.com',
  ENTRA_TENANT_ID: '11111111-1111-4111-8111-111111111111',
  ENTRA_CLIENT_ID: '22222222-2222-4222-8222-222222222222',
  BROKER_URL: 'http://token-broker:8080',
  BROKER_ASSERTION_FILE: '/var/run/token',
  SESSION_KEYS_DIR: '/keys',
  APIS_FILE: '/apis.json',
};

describe('config', () => {
  it('reads a good environment, with Lax cookies and no trusted proxy unless said', () => {
    const config = readConfig({ ...good, TRUSTED_PROXIES: '10.0.0.0/8, ::1 loopback' });
    assert.deepEqual(config.trustedProxies, ['10.0.0.0/8', '::1', 'loopback']);
    assert.deepEqual(readConfig(good).trustedProxies, []);
    assert.equal(config.session.sameSite, 'lax');
    assert.equal(config.entra.authorityHost, 'https://login.microsoftonline.com');
  });

  it('takes http on loopback only: a browser keeps no __Host- cookie elsewhere', () => {
    for (const url of ['http://localhost:3000', 'http://127.0.0.1:1', 'http://a.localhost', 'http://[::1]:3000']) {
      assert.equal(readConfig({ ...good, PUBLIC_BASE_URL: url }).publicBaseUrl, url);
    }
  });

  const bad: [keyof typeof good | string, string][] = [
    ['PUBLIC_BASE_URL', 'http://app.example.com'],
    ['PUBLIC_BASE_URL', 'http://localhost.example.com'],
    ['PUBLIC_BASE_URL', 'https://app.example.com/app'],
    ['PUBLIC_BASE_URL', ''],
    ['ENTRA_TENANT_ID', 'consumers'],
    ['ENTRA_AUTHORITY_HOST', 'http://login.example.com'],
    ['COOKIE_SAME_SITE', 'none'],
    ['RESPONSE_MODE', 'fragment'],
    ['TRUSTED_PROXIES', 'everyone'],
    ['TRUSTED_PROXIES', '10.0.0.0/8,0.0.0.0/0'],
    ['TRUSTED_PROXIES', '::/0'],
    ['PUBLIC_RATE_PER_SECOND', '-7'],
  ];
  for (const [key, value] of bad) {
    it(`refuses ${key}=${value} by name, without the value`, () => {
      assert.throws(
        () => readConfig({ ...good, [key]: value }),
        (error) =>
          error instanceof ConfigError && error.message.includes(key) && !(value && error.message.includes(value)),
      );
    });
  }
});

const graph = 'https://microsoftgraph.chinacloudapi.cn';

describe('APIs', () => {
  const orders = { url: 'https://orders.example/base', scopes: ['api://orders/Read'] };

  it('refuses what cannot work', () => {
    const wrong = [
      {},
      { Orders: orders },
      { orders: { ...orders, scopes: 'api://orders/Read' } },
      { orders: { ...orders, scopes: [] } },
      { orders: { ...orders, scopes: ['a b'] } },
      { orders: { ...orders, scopes: ['api://orders/Read', 'api://other/Read'] } },
      { orders: { ...orders, url: 'ftp://x' } },
      { orders: { ...orders, routes: [{ methods: ['GET'], path: 'x' }] } },
      { orders: { ...orders, routes: [{ methods: ['GET'], path: '/a*' }] } },
      { orders: { ...orders, routes: [{ methods: ['CONNECT'], path: '/' }] } },
      { orders: { ...orders, more: true } },
      { orders: { ...orders, silenceSeconds: 0 } },
      ...['Cookie', 'Authorization', 'X-Forwarded-For', 'sec-fetch-site', 'Transfer-Encoding', 'a b', ''].map(
        (name) => ({
          orders: { ...orders, allowRequestHeaders: [name] },
        }),
      ),
      ...['Set-Cookie', 'Access-Control-Allow-Origin', 'Cache-Control', 'Content-Security-Policy'].map((name) => ({
        orders: { ...orders, allowResponseHeaders: [name] },
      })),
    ];
    for (const value of wrong) assert.equal(apisSchema.safeParse(value).success, false, JSON.stringify(value));
  });

  it('refuses scopes that Entra ID would refuse in one request, of an API and of a route', () => {
    const wrong: [scopes: string[], says: RegExp][] = [
      [['api://orders/.default', 'api://orders/Read'], /\.default alone/],
      [['api://orders/Read', 'User.Read'], /one resource/],
      [['https://graph.microsoft.com/User.Read', 'https://outlook.office.com/Mail.Read'], /one resource/],
      [['access_as_user'], /<resource>\/<scope>/],
      [['openid'], /<resource>\/<scope>/],
      [['.default'], /<resource>\/<scope>/],
      [['User.Read', 'offline_access'], /<resource>\/<scope>/],
    ];
    for (const [scopes, says] of wrong) {
      for (const value of [
        { ...orders, scopes },
        { ...orders, routes: [{ methods: ['GET'], path: '/*', scopes }] },
      ]) {
        const { error } = apisSchema.safeParse({ orders: value });
        assert.match(error?.message ?? 'taken', says, JSON.stringify(value));
      }
    }
    const routes = [{ methods: ['GET'], path: '/*', scopes: ['api://other/Read'] }];
    assert.equal(apisSchema.safeParse({ orders: { ...orders, routes } }).success, false, 'a route of another resource');
    for (const scopes of [
      ['User.Read', 'https://graph.microsoft.com/Mail.Read'],
      ['Files.ReadWrite.All'],
      ['a/.default'],
    ]) {
      assert.deepEqual(apisSchema.parse({ orders: { ...orders, scopes } }).orders?.scopes, scopes);
    }
  });

  it('lets only listed methods and paths pass, with the scopes of the route', () => {
    const routes = [
      { methods: ['POST'], path: '/orders', scopes: ['api://orders/Write'] },
      { methods: ['GET'], path: '/orders/*' },
    ];
    const api = apisSchema.parse({ orders: { ...orders, routes } }).orders;
    assert.ok(api);
    assert.deepEqual(scopesFor(api, 'POST', '/orders'), ['api://orders/Write']);
    assert.deepEqual(scopesFor(api, 'GET', '/orders/1/lines'), ['api://orders/Read'], graph);
    for (const [method, path] of [
      ['GET', '/orders'],
      ['DELETE', '/orders/1'],
      ['POST', '/orders/1'],
      ['GET', '/ordersx'],
    ]) {
      assert.equal(scopesFor(api, String(method), String(path)), undefined, `${method} ${path}`);
    }
  });

  it('takes the client id of an API in its challenge for the API itself', () => {
    const id = 'A9100000-7e57-4000-8000-000000000021';
    assert.equal(inOurWords(`Read ${id}/.default`, ['api://orders/Read'], graph), 'Read api://orders/.default');
    for (const other of [`api://${id}/.default`, `${id}/Read`, `x${id}/.default`, `${id}/.defaults`])
      assert.equal(inOurWords(other, ['api://orders/Read'], graph), other);
  });

  it('knows configured scopes by full and short name, and .default of their resources', () => {
    const apis = apisSchema.parse({ orders });
    assert.deepEqual(knownScopes(apis, 'Read api://orders/.default', graph), [
      'api://orders/Read',
      'api://orders/.default',
    ]);
    for (const asked of ['Write', 'api://other/Read', 'ead', '.default', 'Read evil'])
      assert.equal(knownScopes(apis, asked, graph), undefined);
  });

  it('takes a bare scope for one of its cloud’s Graph', () => {
    const apis = apisSchema.parse({ graph: { url: graph, scopes: ['User.Read', `${graph}/Mail.Read`] } });
    assert.deepEqual(knownScopes(apis, `User.Read ${graph}/.default`, graph), ['User.Read', `${graph}/.default`]);
    assert.equal(knownScopes(apis, 'https://graph.microsoft.com/.default', graph), undefined);
  });
});
