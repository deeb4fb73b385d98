import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ProtectedApi } from '@onbehalf/node/api';
import { type FakeIssuer, makeKey, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { createApp } from './app.ts';

const because = (description: string) => `Bearer error="invalid_token", error_description="${description}"`;
const lacks = (scope: string) => `Bearer error="insufficient_scope", scope="${scope}"`;
const misplaced = (description: string) => `Bearer error="invalid_request", error_description="${description}"`;

const notBearer = because('The Authorization header is not a bearer token.');
const notValid = because('The token is not valid here.');
const notV2 = because('The token is not a v2.0 access token.');
const version1 = because(
  'The token is a v1.0 access token. Set requestedAccessTokenVersion to 2 in the registration of this API.',
);
const otherAudience = because('The token is for another audience.');
const early = because('The token is not valid yet: a clock is wrong.');
const expired = because('The token has expired.');
const otherIssuer = because('The issuer is not the one of its tenant.');
const otherClient = because('The token was issued to a client that is not allowed here.');
const inHeader = misplaced('The token belongs in the Authorization header.');
const twice = misplaced('There is more than one Authorization header.');

let issuer: FakeIssuer;
/** Who else signs tokens: another tenant, another cloud, anybody with OpenSSL. */
const stranger = makeKey();
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const user = (claims?: object, header?: object, key = issuer.active.privateKey) =>
  issuer.user(claims, { header: { ...header }, key });
const app = (claims?: object) => issuer.app(claims);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
/** Replaces one of the three parts of a good token. */
const withPart = (index: number, value: string) => issuer.user().split('.').with(index, value).join('.');

type Row = [what: string, token: () => string, challenge: string, path?: string];

/** Good signatures on claims that are not for us: 401. */
const wrongClaims: Row[] = [
  ['for another API', () => user({ aud: randomUUID() }), otherAudience],
  ['for Microsoft Graph', () => user({ aud: '00000003-0000-0000-c000-000000000000' }), otherAudience],
  ['for our identifier URI, as v1 tokens are', () => user({ aud: 'api://onbehalf-api' }), otherAudience],
  ['of version 1.0 for our identifier URI', () => user({ aud: 'api://onbehalf-api', ver: '1.0' }), version1],
  ['for nobody', () => user({ aud: undefined }), notValid],
  ['with an audience of another type', () => user({ aud: { [issuer.audience]: true } }), otherAudience],
  ['that expired', () => user({ exp: issuer.nowSeconds - 61 }), expired],
  ['without an end', () => user({ exp: undefined }), notValid],
  ['with an end in words', () => user({ exp: '9999999999' }), notValid],
  ['not yet valid', () => user({ nbf: issuer.nowSeconds + 120 }), early],
  ['without a beginning', () => user({ nbf: undefined }), notValid],
  ['of another tenant', () => user({ tid: randomUUID() }), notValid],
  ['of no tenant', () => user({ tid: undefined }), notValid],
  ['whose tenant is a path', () => user({ tid: `../${issuer.tenant}` }), notValid],
  ['whose tenant is written in upper case', () => user({ tid: issuer.tenant.toUpperCase() }), notValid],
  ['whose issuer is another tenant', () => user({ iss: `${issuer.origin}/${randomUUID()}/v2.0` }), otherIssuer],
  ['whose issuer is the v1 endpoint', () => user({ iss: `https://sts.windows.net/${issuer.tenant}/` }), otherIssuer],
  ['whose issuer is the template', () => user({ iss: `${issuer.origin}/{tenantid}/v2.0` }), otherIssuer],
  ['whose issuer has a slash more', () => user({ iss: `${issuer.origin}/${issuer.tenant}/v2.0/` }), otherIssuer],
  [
    'whose issuer only begins like ours',
    () => user({ iss: `${issuer.origin}.evil.example/${issuer.tenant}/v2.0` }),
    otherIssuer,
  ],
  ['without an issuer', () => user({ iss: undefined }), notValid],
  ['of version 1.0', () => user({ ver: '1.0', azp: undefined, appid: issuer.client }), version1],
  ['of version 1.0 that expired', () => user({ ver: '1.0', exp: issuer.nowSeconds - 61 }), version1],
  ['without a version', () => user({ ver: undefined }), notV2],
  ['that is an ID token', () => user({ azp: undefined, scp: undefined, nonce: 'n' }), notV2],
  [
    'that is an ID token with roles, on the app route',
    () => user({ azp: undefined, scp: undefined, roles: ['Reports.Read'] }),
    notV2,
    '/reports',
  ],
  ['for a client that is not allowed', () => user({ azp: randomUUID() }), otherClient],
  ['for a client that is not allowed, app-only', () => app({ azp: randomUUID() }), otherClient, '/reports'],
  ['without a subject', () => user({ sub: undefined }), notV2],
  ['without an object id', () => user({ oid: undefined }), notV2],
  ['with scopes of another type', () => user({ scp: ['access_as_user'] }), notV2],
  ['with roles of another type', () => app({ roles: 'Reports.Read' }), notV2, '/reports'],
];

/** Signatures and shapes that are not Entra's: 401. */
const wrongSignature: Row[] = [
  ['of alg none', () => user({}, { alg: 'none' }), notValid],
  ['of alg None', () => withPart(0, part({ typ: 'JWT', alg: 'None', kid: issuer.active.kid })), notValid],
  [
    'of alg none with a signature',
    () => withPart(0, part({ typ: 'JWT', alg: 'none', kid: issuer.active.kid })),
    notValid,
  ],
  ['without alg', () => withPart(0, part({ typ: 'JWT', kid: issuer.active.kid })), notValid],
  ['of HS256 with the public key', () => user({}, { alg: 'HS256' }, issuer.active.publicKey), notValid],
  ['of HS256 with an empty key', () => user({}, { alg: 'HS256' }, createSecretKey(Buffer.alloc(0))), notValid],
  ['of RS384', () => user({}, { alg: 'RS384' }), notValid],
  ['of PS256', () => user({}, { alg: 'PS256' }), notValid],
  ['of ES256', () => user({}, { alg: 'ES256' }, elliptic.privateKey), notValid],
  ['signed by a stranger under our key id', () => user({}, {}, stranger.privateKey), notValid],
  ['signed by a stranger under its own key id', () => user({}, { kid: stranger.kid }, stranger.privateKey), notValid],
  [
    'with the stranger’s key in its header',
    () => user({}, { kid: undefined, jwk: stranger.publicKey.export({ format: 'jwk' }) }, stranger.privateKey),
    notValid,
  ],
  [
    'with the address of the stranger’s keys',
    () => user({}, { kid: stranger.kid, jku: 'http://127.0.0.1:1/keys' }, stranger.privateKey),
    notValid,
  ],
  ['with a key id that is a path', () => user({}, { kid: '../../dev/null' }), notValid],
  ['with a key id of another type', () => user({}, { kid: 5 }), notValid],
  ['with a critical header nobody knows', () => user({}, { crit: ['exp'], exp: 1 }), notValid],
  ['with an unencoded payload', () => user({}, { crit: ['b64'], b64: false }), notValid],
  ['of type at+jwt, which Entra does not make', () => user({}, { typ: 'at+jwt' }), notValid],
  ['without a type', () => user({}, { typ: undefined }), notValid],
  ['whose claims were changed', () => withPart(1, part({ tid: issuer.tenant, oid: 'admin' })), notValid],
  [
    'whose header was changed',
    () => withPart(0, part({ typ: 'JWT', alg: 'RS256', kid: issuer.active.kid, x: 1 })),
    notValid,
  ],
  ['without a signature', () => withPart(2, ''), notValid],
  ['with a signature of one byte', () => withPart(2, 'AA'), notValid],
  ['of two parts', () => issuer.user().split('.').slice(0, 2).join('.'), notValid],
  ['of four parts', () => `${issuer.user()}.AAAA`, notValid],
  ['of five parts, as encrypted ones are', () => `${issuer.user()}.AAAA.AAAA`, notValid],
  ['of dots', () => '..', notValid],
  ['that is opaque', () => 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', notValid],
  ['whose claims are no JSON', () => withPart(1, 'Y2FuYXJ5'), notValid],
  ['whose claims are an array', () => withPart(1, part([])), notValid],
  ['whose header is no JSON', () => withPart(0, 'Y2FuYXJ5'), notValid],
  ['of 20,000 characters', () => `eyJ${'A'.repeat(20_000)}.e30.AAAA`, notValid],
  ['that is no base64url', () => `${issuer.user()}ä%`, notBearer],
  ['that is empty', () => '', notBearer],
  ['with a space in it', () => 'eyJ h.b.c', notBearer],
  ['followed by another', () => `${issuer.user()}, Bearer ${issuer.user()}`, notBearer],
  ['in quotes', () => `"${issuer.user()}"`, notBearer],
];

/** Good tokens that may not do this: 403. */
const notAllowed: Row[] = [
  ['of a user without any scope', () => user({ scp: undefined }), lacks('access_as_user')],
  ['of a user with an empty scope', () => user({ scp: '' }), lacks('access_as_user')],
  ['of a user with another scope', () => user({ scp: 'payroll.read' }), lacks('access_as_user')],
  [
    'of a user with a scope that only begins like it',
    () => user({ scp: 'access_as_user.all' }),
    lacks('access_as_user'),
  ],
  ['of a user with the scope in another case', () => user({ scp: 'Access_As_User' }), lacks('access_as_user')],
  ['of a user without scope, on the way to Graph', () => user({ scp: 'x' }), lacks('access_as_user'), '/graph/me'],
  [
    'of a user without scope, for all its context',
    () => user({ scp: 'x', acrs: ['c1'] }),
    lacks('access_as_user'),
    '/payroll',
  ],
  ['of an app on a user’s route', () => app(), lacks('access_as_user')],
  ['of an app with the scope as a role', () => app({ roles: ['access_as_user'] }), lacks('access_as_user')],
  ['of an app that says it has a scope', () => app({ idtyp: 'app', scp: 'access_as_user' }), lacks('access_as_user')],
  ['of an app on the way to Graph', () => app(), lacks('access_as_user'), '/graph/me'],
  ['of an app with the context, on a user’s route', () => app({ acrs: ['c1'] }), lacks('access_as_user'), '/payroll'],
  ['of a user on the app’s route', () => user(), lacks('Reports.Read'), '/reports'],
  ['of a user with the app’s role', () => user({ roles: ['Reports.Read'] }), lacks('Reports.Read'), '/reports'],
  [
    'of a user with the app’s role and no scope',
    () => user({ roles: ['Reports.Read'], scp: undefined }),
    lacks('Reports.Read'),
    '/reports',
  ],
  ['of a user by type with the app’s role', () => app({ idtyp: 'user' }), lacks('Reports.Read'), '/reports'],
  [
    'of an app that has a scope too, on the app’s route',
    () => app({ scp: 'access_as_user' }),
    lacks('Reports.Read'),
    '/reports',
  ],
  ['of an app without roles', () => app({ roles: undefined }), lacks('Reports.Read'), '/reports'],
  ['of an app with another role', () => app({ roles: ['Reports.ReadWrite'] }), lacks('Reports.Read'), '/reports'],
];

const formType = { 'Content-Type': 'application/x-www-form-urlencoded' };

describe('downstream-api refuses a token', () => {
  let api: ProtectedApi;
  let server: Serving;
  let reachedGraph = 0;
  const lines: string[] = [];

  before(async () => {
    issuer = await openIssuer();
    const { origin: authorityHost, audience, tenant, client } = issuer;
    const http = async () => Response.json({ access_token: 'graph-token', token_type: 'Bearer', expires_in: 60 });
    const broker = { url: 'http://broker.test', assertion: async () => 'unused', http };
    api = new ProtectedApi({ authorityHost, audience, tenant, allowedClients: [client], broker });
    const logger = createLogger({ level: 'trace', service: 'downstream-api' }, { write: (line) => lines.push(line) });
    const me = async () => {
      reachedGraph += 1;
      return { displayName: 'Alice', userPrincipalName: 'alice' };
    };
    const handler = createApp({ api, graph: { me }, graphScope: 'User.Read', logger });
    server = await serve(handler, { port: 0, host: '127.0.0.1', drainMs: 0 });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  type Ask = { headers?: Record<string, string | string[]>; method?: string; body?: string };
  /** Asks by node:http, which sends headers as they are, twice where a test wants that. */
  const ask = async (path: string, { headers = {}, method = 'GET', body }: Ask = {}) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers }).end(body);
    const [res] = await once(sent, 'response');
    return { status: res.statusCode, headers: res.headers, body: JSON.parse(await text(res)) };
  };
  const expect = (response: Awaited<ReturnType<typeof ask>>, status: number, challenge: string | undefined) => {
    assert.equal(response.status, status);
    assert.equal(response.headers['www-authenticate'], challenge);
    assert.equal(response.headers['cache-control'], 'no-store');
  };

  for (const [status, rows] of [
    [401, wrongClaims],
    [401, wrongSignature],
    [403, notAllowed],
  ] as const) {
    for (const [what, token, challenge, path = '/whoami'] of rows) {
      it(`${what}: ${status}`, async () => {
        const header = Buffer.from(`Bearer ${token()}`).toString('latin1');
        expect(await ask(path, { headers: { Authorization: header } }), status, challenge);
      });
    }
  }

  const placed: [
    what: string,
    ask: () => Promise<Awaited<ReturnType<typeof ask>>>,
    status: number,
    challenge?: string,
  ][] = [
    ['that is not there', () => ask('/whoami'), 401, 'Bearer'],
    ['that is not there, on every route', () => ask('/reports'), 401, 'Bearer'],
    ['in another scheme', () => ask('/whoami', { headers: { Authorization: 'Basic YTpi' } }), 401, notBearer],
    ['without a scheme', () => ask('/whoami', { headers: { Authorization: user() } }), 401, notBearer],
    [
      'sent twice',
      () => ask('/whoami', { headers: { Authorization: [`Bearer ${user()}`, `Bearer ${user()}`] } }),
      400,
      twice,
    ],
    ['in the query', () => ask(`/whoami?access_token=${user()}`), 400, inHeader],
    [
      'in the query beside the header',
      () => ask('/whoami?access_token=', { headers: { Authorization: `Bearer ${user()}` } }),
      400,
      inHeader,
    ],
    [
      'in a form',
      () => ask('/whoami', { method: 'POST', headers: formType, body: `access_token=${user()}` }),
      400,
      inHeader,
    ],
    [
      'in the form of a GET',
      () => ask('/whoami', { headers: { ...formType, 'Content-Length': '14' }, body: 'access_token=a' }),
      400,
      inHeader,
    ],
    ['in a cookie', () => ask('/whoami', { headers: { Cookie: `access_token=${user()}` } }), 401, 'Bearer'],
    [
      'larger than any header may be',
      () => ask('/whoami', { headers: { Authorization: `Bearer ${'A'.repeat(40_000)}` } }),
      431,
    ],
  ];
  for (const [what, send, status, challenge] of placed) {
    it(`${what}: ${status}`, async () => expect(await send(), status, challenge));
  }

  it('of 10,000 unknown keys with 401 each, and asks for keys once in half a minute', async () => {
    // Nobody looks at a signature by an unknown key: any will do.
    const others = user().split('.').slice(1);
    const unknown = () => [part({ typ: 'JWT', alg: 'RS256', kid: randomUUID() }), ...others].join('.');
    const [fetches, startedMs] = [issuer.fetches.length, performance.now()];
    for (let sent = 0; sent < 9_000; sent += 1) {
      const headers = { Authorization: `Bearer ${unknown()}` };
      await assert.rejects(api.readUser(new Request('http://api.test', { headers })), { code: 'invalid_token' });
    }
    for (let sent = 0; sent < 1_000; sent += 50) {
      const responses = await Promise.all(
        Array.from({ length: 50 }, () => ask('/whoami', { headers: { Authorization: `Bearer ${unknown()}` } })),
      );
      for (const response of responses) expect(response, 401, notValid);
    }
    assert.ok(issuer.fetches.length - fetches <= 1 + (performance.now() - startedMs) / 30_000);
  });

  it('and neither calls Graph for it nor writes a word of it', () => {
    assert.equal(reachedGraph, 0);
    assert.doesNotMatch(lines.join(''), /eyJ|alice/i);
    assert.ok(lines.length > 1_000);
  });

  it('but takes the good ones', async () => {
    for (const [path, token] of [
      ['/whoami', user()],
      ['/graph/me', user()],
      ['/payroll', user({ acrs: ['c1'] })],
      ['/reports', app()],
    ] as const) {
      assert.equal((await ask(path, { headers: { Authorization: `Bearer ${token}` } })).status, 200, path);
    }
  });
});
