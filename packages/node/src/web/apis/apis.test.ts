import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '../../core/config-error.ts';
import { parseJsonConfig } from '../../core/parse-config.ts';
import { apisSchema, inOurWords, knownScopes, scopesFor } from './apis.ts';

const graph = 'https://microsoftgraph.chinacloudapi.cn';
const orders = { url: 'https://orders.example/base', scopes: ['api://orders/Read'] };

type Row = [at: string, value: unknown, says: RegExp];
const bad = (key: string, value: unknown, says: RegExp, below = ''): Row[] => [
  [`orders.${key}${below}`, { orders: { ...orders, [key]: value } }, says],
];
const badRoute = (value: object, says: RegExp, below: string): Row[] =>
  bad('routes', [{ methods: ['GET'], path: '/*', ...value }], says, `.0${below}`);

/** One of each kind that no list lets pass. */
const notListed = [
  ...['Connection', 'Transfer-Encoding', 'TE', 'Host', 'Content-Length', 'Proxy-Authorization', 'Upgrade', 'Expect'],
  ...['Forwarded', 'X-Forwarded-For', 'X-Forwarded', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP'],
  ...['X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'],
  ...['Authorization', 'WWW-Authenticate', 'Cookie', 'Cookie2', 'Set-Cookie', 'Set-Cookie2', 'X-CSRF', 'Client-Cert'],
  ...[
    'X-Client-Cert',
    'SSL-Client-Verify',
    'X-ARR-ClientCert',
    'X-MS-CLIENT-PRINCIPAL',
    'X-Remote-User',
    'Remote-User',
  ],
  ...[
    'Impersonate-User',
    'X-Auth-Request-User',
    'X-WEBAUTH-USER',
    'traceparent',
    'sec-fetch-site',
    'Origin',
    'Referer',
  ],
  ...['Access-Control-Allow-Origin', 'Cross-Origin-Opener-Policy', 'Content-Security-Policy-Report-Only', 'NEL'],
  ...[
    'Permissions-Policy',
    'Referrer-Policy',
    'X-Frame-Options',
    'X-Content-Type-Options',
    'Strict-Transport-Security',
  ],
  ...[
    'Clear-Site-Data',
    'Service-Worker-Allowed',
    'Refresh',
    'Alt-Svc',
    'Report-To',
    'Reporting-Endpoints',
    'SourceMap',
  ],
  ...['Speculation-Rules', 'Cache-Control', 'CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control'],
  ...['Cache-Tag', 'Cache-Status', 'X-Cache', 'Edge-Control', 'Pragma', 'Expires', 'Age', 'Vary', 'No-Vary-Search'],
  ...['X-Accel-Redirect', 'X-Accel-Expires', 'X-Sendfile', 'X-LIGHTTPD-send-file', 'Use-As-Dictionary', 'Warning'],
];

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  assert.fail('nothing was thrown');
}

describe('APIs', () => {
  const route = { methods: ['GET'], path: '/*' };
  /** What is wrong, at which key, and what is said of it: never what stands there. */
  const wrong: [at: string, value: unknown, says: RegExp][] = [
    ['APIS_FILE', 'jabberwocky', /expected record/],
    ['APIS_FILE', [], /expected record/],
    ['APIS_FILE', null, /expected record/],
    ['APIS_FILE', {}, /at least one API/],
    ['APIS_FILE', { ['__proto__']: orders }, /at least one API/],
    ...['Orders', '1orders', 'or_ders', '../x', 'x'.repeat(64)].map(
      (name): Row => [name, { [name]: orders }, /Invalid key/],
    ),
    ['orders', { orders: 'jabberwocky' }, /expected object/],
    ['orders', { orders: { ...orders, more: 'jabberwocky' } }, /does not know/],
    ...bad('url', undefined, /required/),
    ...bad('url', 'jabberwocky', /http or https URL/),
    ...bad('url', 'ftp://jabberwocky', /http or https URL/),
    ...bad('url', 'https://me:jabberwocky@orders.example', /no user/),
    ...bad('url', 'https://orders.example/?jabberwocky', /no user, query/),
    ...bad('url', 'https://orders.example/#jabberwocky', /fragment/),
    ...bad('url', 7, /URL/),
    ...bad('scopes', undefined, /required/),
    ...bad('scopes', 'api://orders/jabberwocky', /expected array/),
    ...bad('scopes', [], /at least one scope/),
    ...bad('scopes', ['a jabberwocky'], /scope of RFC 6749/, '.0'),
    ...bad('scopes', [7], /expected string/, '.0'),
    ...bad('scopes', ['api://orders/Read', 'api://jabberwocky/Read'], /one resource/),
    ...bad('routes', 'jabberwocky', /expected array/),
    ...bad('routes', ['jabberwocky'], /expected object/, '.0'),
    ...badRoute({ more: 'jabberwocky' }, /does not know/, ''),
    ...badRoute({ methods: undefined }, /required/, '.methods'),
    ...badRoute({ methods: [] }, /expected array/, '.methods'),
    ...badRoute({ methods: 'GET' }, /expected array/, '.methods'),
    ...['CONNECT', 'TRACE', 'OPTIONS', 'get', '*'].flatMap((method) =>
      badRoute({ methods: ['GET', method] }, /expected one of/, '.methods.1'),
    ),
    ...badRoute({ path: undefined }, /required/, '.path'),
    ...[
      'jabberwocky',
      '',
      '/jabberwocky*',
      '/*/jabberwocky',
      '/jabberwocky?x',
      '/jabber%2Fwocky',
      '/*/',
      '/a b',
    ].flatMap((path) => badRoute({ path }, /path that may end/, '.path')),
    ...['//jabberwocky', '/a/../jabberwocky', '/jabberwocky/..', '/./jabberwocky', '/..', '/a//*'].flatMap((path) =>
      badRoute({ path }, /no empty segment/, '.path'),
    ),
    ...badRoute({ scopes: [] }, /at least one scope/, '.scopes'),
    ...badRoute({ scopes: 'jabberwocky' }, /expected array/, '.scopes'),
    ...['true', 1, null].flatMap((value) => badRoute({ encodedSlashes: value }, /expected boolean/, '.encodedSlashes')),
    ...bad('routes', [route, { methods: ['GET'], path: '/jabberwocky' }], /behind a route/, '.1.path'),
    ...bad(
      'routes',
      [{ methods: ['POST'], path: '/x' }, route, { ...route, encodedSlashes: true }],
      /behind a/,
      '.2.path',
    ),
    ...[0, 3_601, 1.5, -1, '30', null].flatMap((value) => bad('silenceSeconds', value, /expected|Too/)),
    ...['allowRequestHeaders', 'allowResponseHeaders'].flatMap((list) => [
      ...bad(list, 'jabberwocky', /expected array/),
      ...[7, 'jabber wocky', '', 'jabberwocky:', 'jabberwocky\r\nx', 'ü', 'x'.repeat(65)].flatMap((name) =>
        bad(list, [name], /header name|expected string/, '.0'),
      ),
      ...notListed.flatMap((name) => bad(list, ['X-Own', name], /must not be/, '.1')),
    ]),
  ];

  it('refuses what cannot work, by name and without the value', () => {
    for (const [at, value, says] of wrong) {
      const where = `${at}: ${JSON.stringify(value)}`;
      const error = thrown(() => parseJsonConfig(apisSchema, JSON.stringify(value), 'APIS_FILE'));
      assert.ok(error instanceof ConfigError, where);
      const lines = error.message.split('\n');
      assert.ok(
        lines.some((line) => line.startsWith(`  ${at}: `) && says.test(line)),
        `${where}\n${error.message}`,
      );
      assert.doesNotMatch(error.message, /jabber/, where);
    }
    for (const text of ['', '{', '{"orders": jabberwocky}', '\ufeff{}', '{} {}'])
      assert.throws(() => parseJsonConfig(apisSchema, text, 'APIS_FILE'), /APIS_FILE: is not JSON$/);
  });

  it('names all that is wrong at once', () => {
    const value = { orders: { ...orders, url: 'x', silenceSeconds: 0, routes: [{ path: 'x' }] }, other: { more: 1 } };
    const names = ['orders.url', 'orders.silenceSeconds', 'orders.routes.0.methods', 'orders.routes.0.path'];
    const { message } = thrown(() => parseJsonConfig(apisSchema, JSON.stringify(value), 'APIS_FILE'));
    for (const name of [...names, 'other', 'other.url', 'other.scopes'])
      assert.match(message, new RegExp(`^  ${name}: `, 'm'));
  });

  it('takes every setting at its bounds', () => {
    const routes = [
      {
        methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
        path: '/.well-known/a~b/v1.2/..a',
        encodedSlashes: false,
      },
      { methods: ['GET'], path: '/', scopes: ['api://orders/Write'] },
      { ...route, encodedSlashes: true },
      { methods: ['GET', 'POST'], path: '/x' },
    ];
    const headers = [
      'X-Own',
      'Ocp-Apim-Subscription-Key',
      'x-ms-client-request-id',
      'X-Method',
      'Cached',
      "!#$%&'*+.^_`|~-",
    ];
    const lists = { allowRequestHeaders: headers, allowResponseHeaders: headers };
    for (const silenceSeconds of [1, 3_600])
      assert.ok(apisSchema.parse({ orders: { ...orders, ...lists, silenceSeconds, routes } }));
    const { routes: usual, silenceSeconds, allowRequestHeaders } = apisSchema.parse({ orders }).orders ?? {};
    assert.deepEqual(
      [usual, silenceSeconds, allowRequestHeaders],
      [[{ methods: ['GET', 'HEAD'], path: '/*' }], 30, []],
    );
    assert.ok(apisSchema.parse({ ['x'.repeat(63)]: { ...orders, routes: [] } }), 'an API that nothing reaches yet');
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
