import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { isFromOutside } from './identity-headers.ts';
import { requestHeaders } from './request-headers.ts';
import { responseHeaders } from './response-headers.ts';
import { theirCookies, theirSetCookie } from './upstream-cookies.ts';

const arrival = { host: 'app.example.com', proto: 'https', client: '203.0.113.7' };
const message = (rawHeaders: string[]) => {
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers[String(rawHeaders[at]).toLowerCase()] ??= String(rawHeaders[at + 1]);
  return { rawHeaders, headers } as unknown as IncomingMessage;
};
const toObject = (flat: string[]) =>
  Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), flat[at + 1]]] : [])));

describe('a header that says who asks, or from where', () => {
  const stripped = [
    ...[
      'Authorization',
      'X-Auth-User',
      'X-Auth-Request-Email',
      'X-Auth-Subject',
      'X-Forwarded-User',
      'X-Forwarded-Email',
    ],
    ...[
      'X-Forwarded-Access-Token',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'Forwarded',
      'X-Real-IP',
    ],
    ...['Remote-User', 'X-Remote-User', 'Remote-Groups', 'REMOTE_USER', 'X-User', 'X-User-Id', 'X-Email', 'X-Groups'],
    ...['X-WEBAUTH-USER', 'X-Authenticated-User', 'X-Authentik-Username', 'X-Vouch-User', 'X-Pomerium-Jwt-Assertion'],
    ...['X-Access-Token', 'X-Id-Token', 'X-Jwt-Assertion', 'Cf-Access-Jwt-Assertion', 'X-Goog-Iap-Jwt-Assertion'],
    ...[
      'X-Amzn-Oidc-Data',
      'X-Ms-Client-Principal',
      'X-Ms-Token-Aad-Access-Token',
      'OIDC_CLAIM_sub',
      'Tailscale-User-Login',
    ],
    ...[
      'X-Client-Cert',
      'X-SSL-Client-Verify',
      'SSL_CLIENT_S_DN',
      'Impersonate-User',
      'X-Consumer-Username',
      'SM_USER',
    ],
    ...['X-Original-URL', 'X-Rewrite-Url', 'X-HTTP-Method-Override', 'X-Envoy-Original-Path', 'Proxy-Authorization'],
    ...['Connection', 'Upgrade', 'TE', 'Transfer-Encoding', 'Host', 'traceparent', 'CDN-Loop', 'Cookie2'],
  ];
  for (const name of stripped) {
    it(`goes no further, nor in any other spelling: ${name}`, () => {
      const spellings = [
        name,
        name.toUpperCase(),
        name.replaceAll('-', '_'),
        name.replaceAll('_', '-'),
        name.replaceAll(/[-_]/g, '.'),
      ];
      for (const spelling of spellings) assert.ok(isFromOutside(spelling), spelling);
    });
  }

  it('is none of those that apps use themselves', () => {
    const own = [
      'Accept',
      'Content-Type',
      'X-CSRF-Token',
      'X-XSRF-TOKEN',
      'X-Requested-With',
      'X-Api-Key',
      'HX-Request',
    ];
    const more = ['Range', 'If-None-Match', 'x-ms-version', 'x-amz-date', 'Sec-WebSocket-Key', 'User-Agent', 'Origin'];
    for (const name of [...own, ...more, 'Last-Event-ID', 'Authors', 'X-Authority'])
      assert.ok(!isFromOutside(name), name);
  });
});

describe('the headers of a request to an app', () => {
  it('say where it came to and from whom, and lose what Connection names', () => {
    const came = [
      'Host',
      'evil',
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'X-Forwarded-For',
      '1.1.1.1',
      'Accept',
      'a',
      'X_Auth_User',
      'm',
    ];
    assert.deepEqual(toObject(requestHeaders(message(came), arrival, false)), {
      host: 'app.example.com',
      accept: 'a',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'app.example.com',
      'cdn-loop': 'onbehalf-web-frontend',
    });
  });

  it('frame a body as it came, and none of a request that has none', () => {
    const framing = (came: string[], changes: boolean) => {
      const { 'content-length': length, 'transfer-encoding': coding } = toObject(
        requestHeaders(message(came), arrival, changes),
      );
      return [length, coding];
    };
    assert.deepEqual(framing(['Content-Length', '7'], true), ['7', undefined]);
    assert.deepEqual(framing(['Transfer-Encoding', 'chunked'], true), [undefined, 'chunked']);
    assert.deepEqual(framing([], true), ['0', undefined]);
    assert.deepEqual(framing(['Content-Length', '7'], false), [undefined, undefined]);
  });
});

describe('cookies', () => {
  it('of ours stay here, in any letters and any place', () => {
    assert.equal(theirCookies('__Host-Http-session=a; b=c;__host-http-login-1=d ;  __HOST-HTTP-x=y'), 'b=c');
    assert.equal(theirCookies('__Host-own=1; upstream-__Host-Http-session=2'), '__Host-own=1; __Host-Http-session=2');
  });

  const rows: [string, string | undefined][] = [
    ['sid=1; Path=/; HttpOnly', 'sid=1; Path=/; HttpOnly'],
    ['__Host-Http-session=evil; Path=/', 'upstream-__Host-Http-session=evil; Path=/'],
    ['__HOST-http-session=evil', 'upstream-__HOST-http-session=evil'],
    ['  \t__Host-Http-session=evil', 'upstream-__Host-Http-session=evil'],
    ['\u0000__Host-Http-session=evil', 'upstream-__Host-Http-session=evil'],
    ['=__Host-Http-session=evil', undefined],
    ['__Host-Http-session', undefined],
    ['sid=1; Domain=example.com; Secure', 'sid=1; Secure'],
    ['sid=1;domain = .example.com', 'sid=1'],
  ];
  for (const [line, kept] of rows) {
    it(`of an app are its own: ${JSON.stringify(line)}`, () => assert.equal(theirSetCookie(line), kept));
  }
});

describe('the headers of a response of an app', () => {
  const session = { token: 't', oid: 'o', tid: 'i', resumed: [] };
  const about = { method: 'GET', person: undefined, personal: false, origin: 'http://app:3000' };

  it('lose what is of the hop, of servers before us and of the whole origin', () => {
    const came = [
      'Connection',
      'X-Hop',
      'X-Hop',
      '1',
      'X-Accel-Redirect',
      '/etc',
      'Clear-Site-Data',
      '"cookies"',
      'ETag',
      'x',
    ];
    assert.deepEqual(toObject(responseHeaders(message(came), about)), { etag: 'x' });
  });

  it('of a person are kept by no cache that others use, whatever the app says', () => {
    const came = [
      'Cache-Control',
      'public, max-age=60',
      'Expires',
      'later',
      'Surrogate-Control',
      'a',
      'Vary',
      'Accept',
      'Age',
      '1',
    ];
    const headers = responseHeaders(message(came), { ...about, person: session, personal: true });
    assert.deepEqual(toObject(headers), { 'cache-control': 'private, no-cache', vary: 'Cookie, Accept' });
    const nobody = toObject(responseHeaders(message(['Cache-Control', 'public']), { ...about, personal: true }));
    assert.deepEqual(nobody, { 'cache-control': 'public', vary: 'Cookie' });
  });

  it('lead to our address in place of its own, and to nobody else’s', () => {
    const leads = (location: string) => toObject(responseHeaders(message(['Location', location]), about)).location;
    assert.equal(leads('http://app:3000/a?b'), '/a?b');
    assert.equal(leads('/a'), '/a');
    assert.equal(leads('http://app:3000//evil.example/'), 'http://app:3000//evil.example/');
  });
});
