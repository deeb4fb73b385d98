import assert from 'node:assert/strict';
import { createSecretKey, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { makeKey } from '@onbehalf/node/core/keys/issuer.fake';
import {
  accessTokenType,
  type FakeBroker,
  type Fields,
  gatewaySecret,
  graphScope,
  openBroker,
  readScope,
  redirectUri,
  type Sent,
} from './grants/broker.fake.ts';

/** How a bad request must be refused; it must also write nothing, call nobody and quote nothing. */
type Expected = [status: number, error: string | undefined, headers?: Record<string, string>];
type Row = [what: string, send: () => Promise<Sent>, ...Expected];

const token = '/oauth2/token';
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const canary = 'canary-7f3a';

describe('bad input', () => {
  let broker: FakeBroker;
  let session = '';
  let foreign = '';
  before(async () => {
    broker = await openBroker();
    session = await broker.signIn();
    foreign = await broker.signIn(randomUUID(), 'other-web');
  });
  after(() => broker[Symbol.asyncDispose]());

  function check(rows: Row[]): void {
    for (const [what, send, status, error, headers = {}] of rows) {
      it(`${what}: ${status} ${error ?? ''}`, async () => {
        broker.watch.writes.splice(0);
        broker.entra.reset();
        const response = await send();
        assert.deepEqual([response.status, response.body.error], [status, error], response.text);
        assert.equal(response.headers['cache-control'], 'no-store');
        assert.equal(response.headers['x-content-type-options'], 'nosniff');
        if (error !== undefined) {
          assert.equal(typeof response.body.error_description, 'string');
          assert.match(String(response.body.trace_id), /^[0-9a-f]{32}$/);
          assert.ok(!response.text.includes(canary), 'quotes the input');
        }
        for (const [name, value] of Object.entries(headers)) assert.equal(response.headers[name.toLowerCase()], value);
        assert.deepEqual(broker.watch.writes, []);
        assert.deepEqual(broker.entra.calls, []);
      });
    }
  }
  const post =
    (as: string | undefined, fields: () => Fields, path = token) =>
    () =>
      broker.post(path, as, fields());
  /** A whole body, authenticated, with what is appended. */
  const raw =
    (more: string | Buffer, headers: Record<string, string> = form, path = token) =>
    () => {
      const body = broker.form({ ...broker.caller('web'), ...broker.exchangeGrant(session) });
      return broker.send({ path, headers, body: Buffer.concat([Buffer.from(body), Buffer.from(more)]) });
    };
  const exchange = (more: Fields) => post('web', () => ({ ...broker.exchangeGrant(session), ...more }));
  const code = (more: Fields) => post('web', () => ({ ...broker.codeGrant(randomUUID()), ...more }));
  const obo = (more: Fields) => post('api', () => ({ ...broker.oboGrant(broker.userToken()), ...more }));
  const app = (more: Fields) => post('api', () => ({ ...broker.appGrant(), ...more }));
  const forged = (caller: () => Fields) => post(undefined, () => ({ ...caller(), ...broker.exchangeGrant(session) }));
  const requestObo = (claims: object) => post('api', () => broker.oboGrant(broker.userToken(claims)));

  describe('of the transport', () => {
    check([
      ['an unknown address', () => broker.send({ path: '/oauth2/nothing', headers: form }), 404, 'not_found'],
      ['the root', () => broker.send({ method: 'GET', path: '/' }), 404, 'not_found'],
      ['the address with a slash behind', raw('', form, `${token}/`), 404, 'not_found'],
      ['the address in capitals', raw('', form, '/OAuth2/Token'), 404, 'not_found'],
      ['the address, encoded', raw('', form, '/oauth2/%74oken'), 404, 'not_found'],
      ['a broken escape in the address', () => broker.send({ path: '/%zz', headers: form }), 404, 'not_found'],
      ['an address like a property', () => broker.send({ path: '/constructor', headers: form }), 404, 'not_found'],
      ['parameters in the URL', raw('', form, `${token}?scope=${canary}`), 400, 'invalid_request'],
      [
        'the address of a whole URL with parameters',
        raw('', form, `http://broker.test${token}?a=b`),
        400,
        'invalid_request',
      ],
      ['GET', () => broker.send({ method: 'GET', path: token }), 405, 'method_not_allowed', { Allow: 'POST' }],
      ['PUT', () => broker.send({ method: 'PUT', path: token }), 405, 'method_not_allowed', { Allow: 'POST' }],
      ['DELETE', () => broker.send({ method: 'DELETE', path: '/oauth2/revoke' }), 405, 'method_not_allowed'],
      ['OPTIONS', () => broker.send({ method: 'OPTIONS', path: '/sessions/end' }), 405, 'method_not_allowed'],
      ['HEAD', () => broker.send({ method: 'HEAD', path: token }), 405, undefined, { Allow: 'POST' }],
      [
        'POST to the metadata',
        () => broker.send({ path: '/.well-known/oauth-authorization-server' }),
        405,
        'method_not_allowed',
        { Allow: 'GET, HEAD' },
      ],
      ['POST to the description', () => broker.send({ path: '/openapi.json' }), 405, 'method_not_allowed'],
      [
        'no parameters over a connection that is kept',
        () => broker.send({ path: token, headers: { ...form, Connection: 'keep-alive' } }),
        401,
        'invalid_client',
        { Connection: 'keep-alive' },
      ],
      [
        '1 MB over a connection that is not kept then',
        () => broker.send({ path: token, headers: { ...form, Connection: 'keep-alive' }, body: 'y'.repeat(1_000_000) }),
        413,
        'invalid_request',
        { Connection: 'close' },
      ],
      ['no content type', raw('', {}), 415, 'invalid_request'],
      [
        'JSON',
        () => broker.send({ path: token, headers: { 'Content-Type': 'application/json' }, body: '{"grant_type":"x"}' }),
        415,
        'invalid_request',
      ],
      ['a multipart form', raw('', { 'Content-Type': 'multipart/form-data; boundary=x' }), 415, 'invalid_request'],
      ['plain text', raw('', { 'Content-Type': 'text/plain' }), 415, 'invalid_request'],
      [
        'another charset',
        raw('', { 'Content-Type': `${form['Content-Type']}; charset=utf-16` }),
        415,
        'invalid_request',
      ],
      [
        'a charset that only sounds like it',
        raw('', { 'Content-Type': `${form['Content-Type']}; charset=not-utf-8` }),
        415,
        'invalid_request',
      ],
      [
        'a type with a space that is none',
        raw('', { 'Content-Type': `${form['Content-Type']}\u00a0` }),
        415,
        'invalid_request',
      ],
      ['a compressed body', raw('', { ...form, 'Content-Encoding': 'gzip' }), 415, 'invalid_request'],
      ['64 KiB and a byte', raw(`&x=${'y'.repeat(65_536)}`), 413, 'invalid_request'],
      ['1 MB', raw(`&x=${'y'.repeat(1_000_000)}`), 413, 'invalid_request'],
      [
        '1 MB in chunks',
        () => broker.send({ path: token, headers: form, body: Array(16).fill(Buffer.alloc(65_536, 'y')) }),
        413,
        'invalid_request',
      ],
      [
        '1 MB of another type',
        () =>
          broker.send({ path: token, headers: { 'Content-Type': 'application/json' }, body: 'y'.repeat(1_000_000) }),
        415,
        'invalid_request',
      ],
    ]);
  });

  describe('of the form', () => {
    check([
      ['an empty body', () => broker.send({ path: token, headers: form }), 401, 'invalid_client'],
      ['a parameter twice', raw(`&scope=${canary}`), 400, 'invalid_request'],
      ['a parameter twice, encoded', raw('&%73cope=x'), 400, 'invalid_request'],
      ['an unknown parameter twice', raw('&x=1&x=2'), 400, 'invalid_request'],
      ['half an escape', raw('&x=%4'), 400, 'invalid_request'],
      ['broken UTF-8, encoded', raw('&x=%ff%fe'), 400, 'invalid_request'],
      ['broken UTF-8, raw', raw(Buffer.from([0x26, 0x78, 0x3d, 0xff])), 400, 'invalid_request'],
      ['overlong UTF-8', raw('&x=%c0%af'), 400, 'invalid_request'],
      ['NUL', raw('&x=a%00b'), 400, 'invalid_request'],
    ]);
  });

  describe('of the caller', () => {
    const otherKey = makeKey().privateKey;
    const secret = createSecretKey(Buffer.from('shared'));
    const challenged = { 'WWW-Authenticate': 'Basic realm="token-broker"' };
    const nowSeconds = Math.floor(Date.now() / 1_000);
    check([
      ['no assertion', forged(() => ({})), 401, 'invalid_client', challenged],
      ['an empty assertion', forged(() => ({ ...broker.caller('web'), client_assertion: '' })), 401, 'invalid_client'],
      [
        'no assertion type',
        forged(() => ({ ...broker.caller('web'), client_assertion_type: undefined })),
        401,
        'invalid_client',
      ],
      [
        'another assertion type',
        forged(() => ({
          ...broker.caller('web'),
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
        })),
        401,
        'invalid_client',
      ],
      [
        'an assertion that is no JWT',
        forged(() => ({ ...broker.caller('web'), client_assertion: canary })),
        401,
        'invalid_client',
      ],
      [
        'an assertion of 60 KB',
        forged(() => ({ ...broker.caller('web'), client_assertion: 'e'.repeat(60_000) })),
        401,
        'invalid_client',
      ],
      ['another audience', forged(() => broker.caller('web', { aud: 'api' })), 401, 'invalid_client'],
      ['no audience', forged(() => broker.caller('web', { aud: undefined })), 401, 'invalid_client'],
      ['another issuer', forged(() => broker.caller('web', { iss: 'https://evil.test' })), 401, 'invalid_client'],
      ['no issuer', forged(() => broker.caller('web', { iss: undefined })), 401, 'invalid_client'],
      ['an unknown subject', forged(() => broker.caller('stranger')), 401, 'invalid_client'],
      ['no subject', forged(() => broker.caller('web', { sub: undefined })), 401, 'invalid_client'],
      [
        'a subject that is a list',
        forged(() => broker.caller('web', { sub: ['system:serviceaccount:onbehalf:web'] })),
        401,
        'invalid_client',
      ],
      ['an expired assertion', forged(() => broker.caller('web', { exp: nowSeconds - 60 })), 401, 'invalid_client'],
      ['an assertion without expiry', forged(() => broker.caller('web', { exp: undefined })), 401, 'invalid_client'],
      [
        'an expiry that is text',
        forged(() => broker.caller('web', { exp: `${nowSeconds + 600}` })),
        401,
        'invalid_client',
      ],
      [
        'an assertion of tomorrow',
        forged(() => broker.caller('web', { nbf: nowSeconds + 86_400 })),
        401,
        'invalid_client',
      ],
      ['alg none', forged(() => broker.caller('web', {}, { header: { alg: 'none' } })), 401, 'invalid_client'],
      [
        'HS256 with a secret',
        forged(() => broker.caller('web', {}, { header: { alg: 'HS256' }, key: secret })),
        401,
        'invalid_client',
      ],
      [
        'HS256 with the public key',
        forged(() => broker.caller('web', {}, { header: { alg: 'HS256' }, key: broker.issuer.active.publicKey })),
        401,
        'invalid_client',
      ],
      [
        'another key under the same id',
        forged(() => broker.caller('web', {}, { key: otherKey })),
        401,
        'invalid_client',
      ],
      [
        'an unknown key id',
        forged(() => broker.caller('web', {}, { header: { kid: canary }, key: otherKey })),
        401,
        'invalid_client',
      ],
      [
        'a key id that is no text',
        forged(() => broker.caller('web', {}, { header: { kid: { a: 1 } } })),
        401,
        'invalid_client',
      ],
      [
        'a key brought along',
        forged(() =>
          broker.caller('web', {}, { header: { jwk: makeKey().publicKey.export({ format: 'jwk' }) }, key: otherKey }),
        ),
        401,
        'invalid_client',
      ],
      [
        'a critical extension',
        forged(() => broker.caller('web', {}, { header: { crit: ['x'], x: 1 } })),
        401,
        'invalid_client',
      ],
      [
        "a user's token",
        forged(() => ({ ...broker.caller('web'), client_assertion: broker.userToken() })),
        401,
        'invalid_client',
      ],
      [
        'a session token',
        forged(() => ({ ...broker.caller('web'), client_assertion: session })),
        401,
        'invalid_client',
      ],
      ['a client it may not act as', exchange({ client_id: 'api' }), 401, 'invalid_client'],
      [
        'a code that it may not redeem, with an assertion that it may exchange',
        post('api', () => ({ ...broker.codeGrant(randomUUID()), subject_token: broker.userToken() })),
        400,
        'unauthorized_client',
      ],
      ['an unknown client_id', exchange({ client_id: canary }), 401, 'invalid_client'],
      ['a client_id left open between two', post('twin', () => broker.appGrant()), 400, 'invalid_request'],
      ['a client secret beside it', exchange({ client_secret: canary }), 400, 'invalid_request'],
      [
        'an Authorization header beside it',
        () => broker.post(token, 'web', broker.exchangeGrant(session), { Authorization: 'Basic d2ViOng=' }),
        400,
        'invalid_request',
      ],
      [
        'a bearer token in place of it',
        () => broker.post(token, undefined, broker.exchangeGrant(session), { Authorization: `Bearer ${session}` }),
        401,
        'invalid_client',
        challenged,
      ],
      [
        'a client id and a secret in place of it',
        () => broker.post(token, undefined, broker.exchangeGrant(session), { Authorization: 'Basic d2ViOng=' }),
        401,
        'invalid_client',
        challenged,
      ],
      [
        'a client secret in place of it',
        forged(() => ({ client_id: 'web', client_secret: canary })),
        401,
        'invalid_client',
        challenged,
      ],
      [
        'a client secret in two places',
        () =>
          broker.post(
            token,
            undefined,
            { ...broker.exchangeGrant(session), client_secret: canary },
            { Authorization: 'Basic d2ViOng=' },
          ),
        400,
        'invalid_request',
      ],
    ]);
  });

  describe('of a client without a ServiceAccount', () => {
    const otherKey = makeKey().privateKey;
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const shared = () =>
      createSecretKey(Buffer.from(String(broker.ownKey.publicKey.export({ type: 'spki', format: 'pem' }))));
    const invalid: [number, string, Record<string, string>] = [
      401,
      'invalid_client',
      { 'WWW-Authenticate': 'Basic realm="token-broker"' },
    ];
    const header =
      (authorization: () => string | Record<string, string>, more: Fields = {}) =>
      () => {
        const given = authorization();
        const headers = typeof given === 'string' ? { Authorization: given } : given;
        return broker.post(token, undefined, { ...broker.appGrant(), ...more }, headers);
      };
    const secret = (client_secret: string, client_id?: string) =>
      post(undefined, () => ({ ...broker.appGrant(), client_id, client_secret }));
    const signed = (claims: object, forgery?: () => Parameters<FakeBroker['ownCaller']>[1], more: Fields = {}) =>
      post(undefined, () => ({ ...broker.ownCaller(claims, forgery?.()), ...broker.appGrant(), ...more }));
    check([
      ['a wrong secret', secret(canary, 'gateway'), ...invalid],
      ["another client's secret", secret('other-secret-canary', 'gateway'), ...invalid],
      ['a secret of nobody', secret(gatewaySecret), ...invalid],
      ['a secret of an unknown client', secret(gatewaySecret, canary), ...invalid],
      ['a secret of a client that has none', secret(gatewaySecret, 'api'), ...invalid],
      ['a secret with more behind it', secret(`${gatewaySecret}x`, 'gateway'), ...invalid],
      ['a secret of 50 KB', secret('s'.repeat(50_000), 'gateway'), ...invalid],
      ['a wrong secret in the header', header(() => broker.basic('gateway', canary)), ...invalid],
      ['no secret in the header', header(() => broker.basic('gateway', '')), ...invalid],
      ['no id in the header', header(() => broker.basic('', gatewaySecret)), ...invalid],
      ['an id alone in the header', header(() => `Basic ${Buffer.from('gateway').toString('base64')}`), ...invalid],
      ['a header that is not base64', header(() => 'Basic %%%'), ...invalid],
      ['a header without a value', header(() => 'Basic'), ...invalid],
      ['another scheme', header(() => 'Digest username="gateway"'), ...invalid],
      [
        'another client in the body than in the header',
        header(() => broker.basic('gateway', gatewaySecret), { client_id: 'api' }),
        ...invalid,
      ],
      [
        'the type of an assertion beside a header',
        header(() => broker.basic('gateway', gatewaySecret), { client_assertion_type: canary }),
        400,
        'invalid_request',
      ],
      ['a secret beside a JWT', signed({}, undefined, { client_secret: gatewaySecret }), 400, 'invalid_request'],
      ['a JWT of another key', signed({}, () => ({ key: otherKey })), ...invalid],
      ['a JWT of an unknown key', signed({}, () => ({ key: otherKey, header: { kid: canary } })), ...invalid],
      ['a JWT by an algorithm that is not offered', signed({}, () => ({ header: { alg: 'PS512' } })), ...invalid],
      ['a JWT without signature', signed({}, () => ({ header: { alg: 'none' } })), ...invalid],
      [
        'a JWT by HS256 with the public key',
        signed({}, () => ({ header: { alg: 'HS256' }, key: shared() })),
        ...invalid,
      ],
      ['a JWT for another audience', signed({ aud: 'https://elsewhere.test' }), ...invalid],
      ['a JWT for the ServiceAccounts', signed({ aud: 'token-broker' }), ...invalid],
      ['a JWT without audience', signed({ aud: undefined }), ...invalid],
      ['an expired JWT', signed({ exp: nowSeconds - 61 }), ...invalid],
      ['a JWT without end', signed({ exp: undefined }), ...invalid],
      ['a JWT of an hour', signed({ exp: nowSeconds + 3_600 }), ...invalid],
      ['a JWT of tomorrow', signed({ nbf: nowSeconds + 86_400 }), ...invalid],
      ['a JWT whose end is text', signed({ exp: `${nowSeconds + 300}` }), ...invalid],
      ['a JWT about another', signed({ sub: 'api' }), ...invalid],
      ['a JWT without subject', signed({ sub: undefined }), ...invalid],
      ["a JWT of another client's", signed({ iss: 'api', sub: 'api' }), ...invalid],
      ['a JWT of a client without a key', signed({ iss: 'vault', sub: 'vault' }), ...invalid],
      ['a JWT of nobody', signed({ iss: undefined }), ...invalid],
      ['a JWT whose issuer is a list', signed({ iss: ['gateway'] }), ...invalid],
      [
        'a JWT with a key brought along',
        signed({}, () => ({ header: { jwk: makeKey().publicKey.export({ format: 'jwk' }) }, key: otherKey })),
        ...invalid,
      ],
      ['a JWT with a critical extension', signed({}, () => ({ header: { crit: ['x'], x: 1 } })), ...invalid],
      ['a JWT and another client_id', signed({}, undefined, { client_id: 'api' }), ...invalid],
      [
        'a ServiceAccount token that says it is the client',
        forged(() => broker.caller('web', { iss: 'gateway', sub: 'gateway' })),
        ...invalid,
      ],
    ]);
  });

  it('refuses two Authorization headers: Node would take the first', async () => {
    const body = broker.form(broker.appGrant());
    const { authorization } = { authorization: broker.basic('gateway', gatewaySecret).Authorization };
    const socket = connect(Number(new URL(broker.origin).port), '127.0.0.1');
    const lines = [`POST ${token} HTTP/1.1`, 'Host: x', `Content-Type: ${form['Content-Type']}`];
    const both = [`Authorization: ${authorization}`, 'Authorization: Basic eDp5', `Content-Length: ${body.length}`];
    socket.end([...lines, ...both, 'Connection: close', '', body].join('\r\n'));
    const [head] = await once(socket, 'data');
    assert.match(String(head), /^HTTP\/1\.1 400 /);
  });

  describe('of the grants', () => {
    const nowSeconds = Math.floor(Date.now() / 1_000);
    check([
      ['no grant', exchange({ grant_type: undefined }), 400, 'invalid_request'],
      ['an unknown grant', exchange({ grant_type: canary }), 400, 'unsupported_grant_type'],
      ['a grant like a property', exchange({ grant_type: 'constructor' }), 400, 'unsupported_grant_type'],
      ['the password grant', exchange({ grant_type: 'password' }), 400, 'unsupported_grant_type'],
      ['the refresh grant', exchange({ grant_type: 'refresh_token' }), 400, 'unsupported_grant_type'],
      ['a grant not allowed', post('web', () => broker.appGrant()), 400, 'unauthorized_client'],
      ['another grant not allowed', post('api', () => broker.exchangeGrant(session)), 400, 'unauthorized_client'],
      ['no code', code({ code: undefined }), 400, 'invalid_request'],
      ['a code of 20 KB', code({ code: 'c'.repeat(20_000) }), 400, 'invalid_request'],
      ['no redirect URI', code({ redirect_uri: undefined }), 400, 'invalid_request'],
      ['a redirect URI not allowed', code({ redirect_uri: 'https://evil.test/' }), 400, 'unauthorized_client'],
      ['a redirect URI with more behind it', code({ redirect_uri: `${redirectUri}/x` }), 400, 'unauthorized_client'],
      ['a redirect URI in capitals', code({ redirect_uri: redirectUri.toUpperCase() }), 400, 'unauthorized_client'],
      ['no verifier', code({ code_verifier: undefined }), 400, 'invalid_request'],
      ['a short verifier', code({ code_verifier: 'v'.repeat(42) }), 400, 'invalid_request'],
      ['a long verifier', code({ code_verifier: 'v'.repeat(129) }), 400, 'invalid_request'],
      ['a verifier of other characters', code({ code_verifier: `${'v'.repeat(50)}\n` }), 400, 'invalid_request'],
      ['no session token', exchange({ subject_token: undefined }), 400, 'invalid_request'],
      ['an unknown session token', exchange({ subject_token: canary }), 400, 'invalid_grant'],
      ["another client's session token", post('web', () => broker.exchangeGrant(foreign)), 400, 'invalid_grant'],
      [
        "a user's token of another audience to exchange",
        post('web', () => broker.exchangeGrant(broker.userToken())),
        400,
        'invalid_grant',
      ],
      [
        'an expired token of a user to exchange',
        post('api', () => broker.exchangeGrant(broker.userToken({ exp: nowSeconds - 1 }), graphScope)),
        400,
        'invalid_grant',
      ],
      [
        'a scope not allowed for a token of a user',
        post('api', () => broker.exchangeGrant(broker.userToken())),
        400,
        'invalid_scope',
      ],
      ['three parts of nothing to exchange', exchange({ subject_token: 'a.b.c' }), 400, 'invalid_grant'],
      [
        "a user's token to exchange by who may do neither",
        post('operator', () => broker.exchangeGrant(broker.userToken())),
        400,
        'unauthorized_client',
      ],
      ['no subject token type', exchange({ subject_token_type: undefined }), 400, 'invalid_request'],
      [
        'another subject token type',
        exchange({ subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }),
        400,
        'invalid_request',
      ],
      [
        'another requested token type',
        exchange({ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
        400,
        'invalid_request',
      ],
      ['an actor token', exchange({ actor_token: canary, actor_token_type: accessTokenType }), 400, 'invalid_request'],
      ['the type of no actor token', exchange({ actor_token_type: accessTokenType }), 400, 'invalid_request'],
      ['a resource not allowed', exchange({ resource: 'https://evil.test', scope: undefined }), 400, 'invalid_target'],
      ['a resource in part', exchange({ resource: 'api://ap', scope: undefined }), 400, 'invalid_target'],
      ['a resource with more behind it', exchange({ resource: 'api://api/read' }), 400, 'invalid_target'],
      ['a resource in capitals', exchange({ resource: 'API://API' }), 400, 'invalid_target'],
      ['the resource of another scope', exchange({ resource: 'https://graph' }), 400, 'invalid_target'],
      ['an audience not allowed', exchange({ audience: canary, scope: undefined }), 400, 'invalid_target'],
      [
        'an audience other than the resource',
        exchange({ resource: 'api://api', audience: 'https://graph' }),
        400,
        'invalid_target',
      ],
      ['two resources', raw(`&resource=${canary}&resource=api%3A%2F%2Fapi`), 400, 'invalid_target'],
      ['an audience twice', raw('&audience=x&audience=x'), 400, 'invalid_target'],
      ['a resource of 5 KB', exchange({ resource: `api://${'a'.repeat(5_000)}` }), 400, 'invalid_request'],
      [
        'a scope not allowed of an API that is',
        exchange({ resource: 'api://api', scope: canary }),
        400,
        'invalid_scope',
      ],
      ['no scope', exchange({ scope: undefined }), 400, 'invalid_request'],
      ['a scope of spaces', exchange({ scope: '  ' }), 400, 'invalid_scope'],
      ['a scope not allowed', exchange({ scope: canary }), 400, 'invalid_scope'],
      ['one scope of two not allowed', exchange({ scope: `${readScope} ${canary}` }), 400, 'invalid_scope'],
      ['a scope with a line break', exchange({ scope: `${readScope}\n` }), 400, 'invalid_scope'],
      ['a scope in capitals', exchange({ scope: readScope.toUpperCase() }), 400, 'invalid_scope'],
      ['scopes of 5 KB', exchange({ scope: `${readScope} `.repeat(400) }), 400, 'invalid_request'],
      ['claims that are no JSON', exchange({ claims: canary }), 400, 'invalid_request'],
      ['claims that are a list', exchange({ claims: '[]' }), 400, 'invalid_request'],
      ['claims that are null', exchange({ claims: 'null' }), 400, 'invalid_request'],
      ['claims of 9 KB', exchange({ claims: JSON.stringify({ a: 'x'.repeat(9_000) }) }), 400, 'invalid_request'],
      ['no assertion of a user', obo({ assertion: undefined }), 400, 'invalid_request'],
      ['no requested_token_use', obo({ requested_token_use: undefined }), 400, 'invalid_request'],
      ['another requested_token_use', obo({ requested_token_use: 'assertion' }), 400, 'invalid_request'],
      ['an assertion that is no JWT', obo({ assertion: canary }), 400, 'invalid_grant'],
      ['a session token as assertion', post('api', () => broker.oboGrant(session)), 400, 'invalid_grant'],
      ['an assertion for another audience', requestObo({ aud: randomUUID() }), 400, 'invalid_grant'],
      ['an expired assertion of a user', requestObo({ exp: nowSeconds - 1 }), 400, 'invalid_grant'],
      ['an assertion that never expires', requestObo({ exp: undefined }), 400, 'invalid_grant'],
      ['an assertion from another tenant', requestObo({ tid: randomUUID() }), 400, 'invalid_grant'],
      ['an assertion without tenant', requestObo({ tid: undefined }), 400, 'invalid_grant'],
      ['an ID token as assertion', requestObo({ scp: undefined }), 400, 'invalid_grant'],
      [
        'an app token as assertion',
        post('api', () =>
          broker.oboGrant(
            broker.issuer.app({ aud: broker.clients.byName.get('api')?.clientId, scp: 'x', idtyp: 'app' }),
          ),
        ),
        400,
        'invalid_grant',
      ],
      ['a scope not allowed on behalf of', obo({ scope: readScope }), 400, 'invalid_scope'],
      ['an app token without scope', app({ scope: undefined }), 400, 'invalid_request'],
      ['an app token of a single permission', app({ scope: 'https://graph/User.Read' }), 400, 'invalid_scope'],
      [
        'an app token of two resources',
        app({ scope: 'https://graph/.default https://graph/User.Read' }),
        400,
        'invalid_scope',
      ],
    ]);
  });

  describe('of the other endpoints', () => {
    const at = (path: string, fields: () => Fields, as = 'web') => post(as, fields, path);
    const guid = randomUUID();
    const stranger = makeKey().privateKey;
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const tokens: Record<string, () => string> = {
      "another API's": () => broker.userToken({ aud: guid }),
      'one of another tenant': () => broker.userToken({ tid: guid }),
      'one whose issuer is of another tenant': () =>
        broker.userToken({ iss: `https://login.microsoftonline.com/${guid}/v2.0` }),
      'an expired one': () => broker.userToken({ exp: nowSeconds - 61 }),
      'one of tomorrow': () => broker.userToken({ nbf: nowSeconds + 86_400 }),
      'one that never expires': () => broker.userToken({ exp: undefined }),
      'a v1 one': () => broker.userToken({ ver: '1.0' }),
      'an ID token': () => broker.userToken({ azp: undefined }),
      'one without signature': () => broker.userToken({}, { header: { alg: 'none' } }),
      'one of another key': () => broker.userToken({}, { key: stranger }),
      'one of an unknown key': () => broker.userToken({}, { header: { kid: canary }, key: stranger }),
      'one with a critical extension': () => broker.userToken({}, { header: { crit: ['x'], x: 1 } }),
      'one whose payload was changed': () =>
        broker
          .userToken()
          .replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ aud: canary })).toString('base64url')}.`),
      'three parts of nothing': () => 'a.b.c',
    };
    check(
      Object.entries(tokens).map(([what, make]): Row => {
        const send = at('/oauth2/introspect', () => ({ token: make() }), 'api');
        return [`introspection of an access token: ${what}`, send, 200, undefined];
      }),
    );
    for (const [what, make] of Object.entries(tokens)) {
      it(`tells of an access token that is no good nothing but that: ${what}`, async () => {
        assert.equal((await broker.post('/oauth2/introspect', 'api', { token: make() })).text, '{"active":false}');
      });
    }
    check([
      [
        'introspection by nobody',
        post(undefined, () => ({ token: session }), '/oauth2/introspect'),
        401,
        'invalid_client',
      ],
      ['introspection of nothing', at('/oauth2/introspect', () => ({})), 400, 'invalid_request'],
      ['introspection of the unknown', at('/oauth2/introspect', () => ({ token: canary })), 200, undefined],
      [
        "introspection of another client's session",
        at('/oauth2/introspect', () => ({ token: foreign })),
        200,
        undefined,
      ],
      ['revocation by nobody', post(undefined, () => ({ token: session }), '/oauth2/revoke'), 401, 'invalid_client'],
      ['revocation of nothing', at('/oauth2/revoke', () => ({})), 400, 'invalid_request'],
      ['revocation of the unknown', at('/oauth2/revoke', () => ({ token: canary })), 200, undefined],
      [
        'revocation of an access token',
        at('/oauth2/revoke', () => ({ token: broker.userToken() })),
        400,
        'unsupported_token_type',
      ],
      ["revocation of another client's session", at('/oauth2/revoke', () => ({ token: foreign })), 200, undefined],
      ['an end by nobody', post(undefined, () => ({ sid: 's' }), '/sessions/end'), 401, 'invalid_client'],
      ['an end of nothing', at('/sessions/end', () => ({})), 400, 'invalid_request'],
      [
        'an end of two things',
        at('/sessions/end', () => ({ sid: 's', subject_token: session })),
        400,
        'invalid_request',
      ],
      [
        'an end of three things',
        at('/sessions/end', () => ({ sid: 's', tid: guid, oid: guid })),
        400,
        'invalid_request',
      ],
      [
        'an issuer alone',
        at('/sessions/end', () => ({ iss: 'https://login.microsoftonline.com' })),
        400,
        'invalid_request',
      ],
      ['a tenant without a person', at('/sessions/end', () => ({ tid: guid })), 400, 'invalid_request'],
      ['a person without a tenant', at('/sessions/end', () => ({ oid: guid })), 400, 'invalid_request'],
      [
        'a person that is no GUID',
        at('/sessions/end', () => ({ tid: guid, oid: canary }), 'operator'),
        400,
        'invalid_request',
      ],
      [
        'a person, without the permission',
        at('/sessions/end', () => ({ tid: guid, oid: guid })),
        400,
        'unauthorized_client',
      ],
      [
        "a sid of another issuer's",
        at('/sessions/end', () => ({ sid: 's', iss: 'https://evil.test' })),
        200,
        undefined,
      ],
    ]);
  });

  it('responds to a caller that is still sending', async () => {
    const slow = connect(Number(new URL(broker.origin).port), '127.0.0.1');
    slow.on('error', () => {});
    slow.write(`POST ${token} HTTP/1.1\r\nHost: x\r\nContent-Type: ${form['Content-Type']}\r\n`);
    slow.write('Transfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 2; i += 1) slow.write(`10000\r\n${'y'.repeat(65_536)}\r\n`);
    const [head] = await once(slow, 'data');
    slow.destroy();
    assert.match(String(head), /^HTTP\/1\.1 413 /);
    assert.match(String(head), /Connection: close/);
  });

  it('takes a body that breaks off for the mistake of its sender', async () => {
    const before = broker.lines.length;
    const cut = connect(Number(new URL(broker.origin).port), '127.0.0.1');
    cut.end(
      `POST ${token} HTTP/1.1\r\nHost: x\r\nContent-Type: ${form['Content-Type']}\r\nContent-Length: 9\r\n\r\nabc`,
    );
    while (broker.lines.length === before) await setImmediate();
    assert.match(String(broker.lines.at(-1)), /"status":400,"error_code":"invalid_request"/);
  });

  it('shows no token, code or assertion in the log', () => {
    const log = broker.lines.join('');
    assert.ok(log.length > 1_000);
    assert.doesNotMatch(log, new RegExp(`${canary}|secret-canary|eyJ|${session}|${foreign}|v{43}`));
  });

  it('leaves the session as it was', async () => {
    const { status } = await broker.post(token, 'web', broker.exchangeGrant(session));
    assert.equal(status, 200);
    const { body } = await broker.post('/oauth2/introspect', 'other-web', { token: foreign });
    assert.equal(body.active, true);
  });
});
