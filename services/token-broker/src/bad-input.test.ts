import assert from 'node:assert/strict';
import { createSecretKey, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { makeKey } from '@onbehalf/node/core/keys/issuer.fake';
import {
  accessTokenType,
  agentId,
  type FakeBroker,
  type Fields,
  gatewaySecret,
  graphScope,
  openBroker,
  otherAgentId,
  readScope,
  redirectUri,
  type Sent,
} from './grants/broker.fake.ts';

/** How a bad request must be refused; it must also write nothing, call nobody and quote nothing. */
type Expected = [status: number, error: string | undefined, headers?: Record<string, string>];
type Rows = Record<string, () => Promise<Sent>>;

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

  function check([status, error, headers = {}]: Expected, rows: Rows): void {
    for (const [what, send] of Object.entries(rows)) {
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
  const start = (more: Fields) => post('web', () => broker.startGrant(session, more));
  const process = (more: Fields) => post('nightly', () => broker.processGrant(`process.${canary}`, more));
  const code = (more: Fields) => post('web', () => ({ ...broker.codeGrant(randomUUID()), ...more }));
  const obo = (more: Fields) => post('api', () => ({ ...broker.oboGrant(broker.userToken()), ...more }));
  const app = (more: Fields) => post('api', () => ({ ...broker.appGrant(), ...more }));
  const forged = (caller: () => Fields) => post(undefined, () => ({ ...caller(), ...broker.exchangeGrant(session) }));
  const requestObo = (claims: object) => post('api', () => broker.oboGrant(broker.userToken(claims)));

  describe('of the transport', () => {
    check([404, 'not_found'], {
      'an unknown address': () => broker.send({ path: '/oauth2/nothing', headers: form }),
      'the root': () => broker.send({ method: 'GET', path: '/' }),
      'the address with a slash behind': raw('', form, `${token}/`),
      'the address in capitals': raw('', form, '/OAuth2/Token'),
      'the address, encoded': raw('', form, '/oauth2/%74oken'),
      'a broken escape in the address': () => broker.send({ path: '/%zz', headers: form }),
      'an address like a property': () => broker.send({ path: '/constructor', headers: form }),
    });
    check([400, 'invalid_request'], {
      'parameters in the URL': raw('', form, `${token}?scope=${canary}`),
      'the address of a whole URL with parameters': raw('', form, `http://broker.test${token}?a=b`),
    });
    check([405, 'method_not_allowed', { Allow: 'POST' }], {
      GET: () => broker.send({ method: 'GET', path: token }),
      PUT: () => broker.send({ method: 'PUT', path: token }),
    });
    check([405, 'method_not_allowed'], {
      DELETE: () => broker.send({ method: 'DELETE', path: '/oauth2/revoke' }),
      OPTIONS: () => broker.send({ method: 'OPTIONS', path: '/sessions/end' }),
      'POST to the description': () => broker.send({ path: '/openapi.json' }),
    });
    check([405, undefined, { Allow: 'POST' }], {
      HEAD: () => broker.send({ method: 'HEAD', path: token }),
    });
    check([405, 'method_not_allowed', { Allow: 'GET, HEAD' }], {
      'POST to the metadata': () => broker.send({ path: '/.well-known/oauth-authorization-server' }),
    });
    check([401, 'invalid_client', { Connection: 'keep-alive' }], {
      'no parameters over a connection that is kept': () =>
        broker.send({ path: token, headers: { ...form, Connection: 'keep-alive' } }),
    });
    check([413, 'invalid_request', { Connection: 'close' }], {
      '1 MB over a connection that is not kept then': () =>
        broker.send({ path: token, headers: { ...form, Connection: 'keep-alive' }, body: 'y'.repeat(1_000_000) }),
    });
    check([415, 'invalid_request'], {
      'no content type': raw('', {}),
      JSON: () =>
        broker.send({ path: token, headers: { 'Content-Type': 'application/json' }, body: '{"grant_type":"x"}' }),
      'a multipart form': raw('', { 'Content-Type': 'multipart/form-data; boundary=x' }),
      'plain text': raw('', { 'Content-Type': 'text/plain' }),
      'another charset': raw('', { 'Content-Type': `${form['Content-Type']}; charset=utf-16` }),
      'a charset that only sounds like it': raw('', { 'Content-Type': `${form['Content-Type']}; charset=not-utf-8` }),
      'a type with a space that is none': raw('', { 'Content-Type': `${form['Content-Type']}\u00a0` }),
      'a compressed body': raw('', { ...form, 'Content-Encoding': 'gzip' }),
      '1 MB of another type': () =>
        broker.send({ path: token, headers: { 'Content-Type': 'application/json' }, body: 'y'.repeat(1_000_000) }),
    });
    check([413, 'invalid_request'], {
      '64 KiB and a byte': raw(`&x=${'y'.repeat(65_536)}`),
      '1 MB': raw(`&x=${'y'.repeat(1_000_000)}`),
      '1 MB in chunks': () =>
        broker.send({ path: token, headers: form, body: Array(16).fill(Buffer.alloc(65_536, 'y')) }),
    });
  });

  describe('of the form', () => {
    check([401, 'invalid_client'], {
      'an empty body': () => broker.send({ path: token, headers: form }),
    });
    check([400, 'invalid_request'], {
      'a parameter twice': raw(`&scope=${canary}`),
      'a parameter twice, encoded': raw('&%73cope=x'),
      'an unknown parameter twice': raw('&x=1&x=2'),
      'half an escape': raw('&x=%4'),
      'broken UTF-8, encoded': raw('&x=%ff%fe'),
      'broken UTF-8, raw': raw(Buffer.from([0x26, 0x78, 0x3d, 0xff])),
      'overlong UTF-8': raw('&x=%c0%af'),
      NUL: raw('&x=a%00b'),
    });
  });

  describe('of the caller', () => {
    const otherKey = makeKey().privateKey;
    const secret = createSecretKey(Buffer.from('shared'));
    const challenged = { 'WWW-Authenticate': 'Basic realm="token-broker"' };
    const nowSeconds = Math.floor(Date.now() / 1_000);
    check([401, 'invalid_client', challenged], {
      'no assertion': forged(() => ({})),
      'a bearer token in place of it': () =>
        broker.post(token, undefined, broker.exchangeGrant(session), { Authorization: `Bearer ${session}` }),
      'a client id and a secret in place of it': () =>
        broker.post(token, undefined, broker.exchangeGrant(session), { Authorization: 'Basic d2ViOng=' }),
      'a client secret in place of it': forged(() => ({ client_id: 'web', client_secret: canary })),
    });
    check([401, 'invalid_client'], {
      'an empty assertion': forged(() => ({ ...broker.caller('web'), client_assertion: '' })),
      'no assertion type': forged(() => ({ ...broker.caller('web'), client_assertion_type: undefined })),
      'another assertion type': forged(() => ({
        ...broker.caller('web'),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
      })),
      'an assertion that is no JWT': forged(() => ({ ...broker.caller('web'), client_assertion: canary })),
      'an assertion of 60 KB': forged(() => ({ ...broker.caller('web'), client_assertion: 'e'.repeat(60_000) })),
      'another audience': forged(() => broker.caller('web', { aud: 'api' })),
      'no audience': forged(() => broker.caller('web', { aud: undefined })),
      'another issuer': forged(() => broker.caller('web', { iss: 'https://evil.test' })),
      'no issuer': forged(() => broker.caller('web', { iss: undefined })),
      'an unknown subject': forged(() => broker.caller('stranger')),
      'no subject': forged(() => broker.caller('web', { sub: undefined })),
      'a subject that is a list': forged(() => broker.caller('web', { sub: ['system:serviceaccount:onbehalf:web'] })),
      'an expired assertion': forged(() => broker.caller('web', { exp: nowSeconds - 60 })),
      'an assertion without expiry': forged(() => broker.caller('web', { exp: undefined })),
      'an expiry that is text': forged(() => broker.caller('web', { exp: `${nowSeconds + 600}` })),
      'an assertion of tomorrow': forged(() => broker.caller('web', { nbf: nowSeconds + 86_400 })),
      'alg none': forged(() => broker.caller('web', {}, { header: { alg: 'none' } })),
      'HS256 with a secret': forged(() => broker.caller('web', {}, { header: { alg: 'HS256' }, key: secret })),
      'HS256 with the public key': forged(() =>
        broker.caller('web', {}, { header: { alg: 'HS256' }, key: broker.issuer.active.publicKey }),
      ),
      'another key under the same id': forged(() => broker.caller('web', {}, { key: otherKey })),
      'an unknown key id': forged(() => broker.caller('web', {}, { header: { kid: canary }, key: otherKey })),
      'a key id that is no text': forged(() => broker.caller('web', {}, { header: { kid: { a: 1 } } })),
      'a key brought along': forged(() =>
        broker.caller('web', {}, { header: { jwk: makeKey().publicKey.export({ format: 'jwk' }) }, key: otherKey }),
      ),
      'a critical extension': forged(() => broker.caller('web', {}, { header: { crit: ['x'], x: 1 } })),
      "a user's token": forged(() => ({ ...broker.caller('web'), client_assertion: broker.userToken() })),
      'a session token': forged(() => ({ ...broker.caller('web'), client_assertion: session })),
      'a client it may not act as': exchange({ client_id: 'api' }),
      'an unknown client_id': exchange({ client_id: canary }),
    });
    check([400, 'unauthorized_client'], {
      'a code that it may not redeem, with an assertion that it may exchange': post('api', () => ({
        ...broker.codeGrant(randomUUID()),
        subject_token: broker.userToken(),
      })),
    });
    check([400, 'invalid_request'], {
      'a client_id left open between two': post('twin', () => broker.appGrant()),
      'a client secret beside it': exchange({ client_secret: canary }),
      'an Authorization header beside it': () =>
        broker.post(token, 'web', broker.exchangeGrant(session), { Authorization: 'Basic d2ViOng=' }),
      'a client secret in two places': () =>
        broker.post(
          token,
          undefined,
          { ...broker.exchangeGrant(session), client_secret: canary },
          { Authorization: 'Basic d2ViOng=' },
        ),
    });
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
    check([...invalid], {
      'a wrong secret': secret(canary, 'gateway'),
      "another client's secret": secret('other-secret-canary', 'gateway'),
      'a secret of nobody': secret(gatewaySecret),
      'a secret of an unknown client': secret(gatewaySecret, canary),
      'a secret of a client that has none': secret(gatewaySecret, 'api'),
      'a secret with more behind it': secret(`${gatewaySecret}x`, 'gateway'),
      'a secret of 50 KB': secret('s'.repeat(50_000), 'gateway'),
      'a wrong secret in the header': header(() => broker.basic('gateway', canary)),
      'no secret in the header': header(() => broker.basic('gateway', '')),
      'no id in the header': header(() => broker.basic('', gatewaySecret)),
      'an id alone in the header': header(() => `Basic ${Buffer.from('gateway').toString('base64')}`),
      'a header that is not base64': header(() => 'Basic %%%'),
      'a header without a value': header(() => 'Basic'),
      'another scheme': header(() => 'Digest username="gateway"'),
      'another client in the body than in the header': header(() => broker.basic('gateway', gatewaySecret), {
        client_id: 'api',
      }),
      'a JWT of another key': signed({}, () => ({ key: otherKey })),
      'a JWT of an unknown key': signed({}, () => ({ key: otherKey, header: { kid: canary } })),
      'a JWT by an algorithm that is not offered': signed({}, () => ({ header: { alg: 'PS512' } })),
      'a JWT without signature': signed({}, () => ({ header: { alg: 'none' } })),
      'a JWT by HS256 with the public key': signed({}, () => ({ header: { alg: 'HS256' }, key: shared() })),
      'a JWT for another audience': signed({ aud: 'https://elsewhere.test' }),
      'a JWT for the ServiceAccounts': signed({ aud: 'token-broker' }),
      'a JWT without audience': signed({ aud: undefined }),
      'an expired JWT': signed({ exp: nowSeconds - 61 }),
      'a JWT without end': signed({ exp: undefined }),
      'a JWT of an hour': signed({ exp: nowSeconds + 3_600 }),
      'a JWT of tomorrow': signed({ nbf: nowSeconds + 86_400 }),
      'a JWT whose end is text': signed({ exp: `${nowSeconds + 300}` }),
      'a JWT about another': signed({ sub: 'api' }),
      'a JWT without subject': signed({ sub: undefined }),
      "a JWT of another client's": signed({ iss: 'api', sub: 'api' }),
      'a JWT of a client without a key': signed({ iss: 'vault', sub: 'vault' }),
      'a JWT of nobody': signed({ iss: undefined }),
      'a JWT whose issuer is a list': signed({ iss: ['gateway'] }),
      'a JWT with a key brought along': signed({}, () => ({
        header: { jwk: makeKey().publicKey.export({ format: 'jwk' }) },
        key: otherKey,
      })),
      'a JWT with a critical extension': signed({}, () => ({ header: { crit: ['x'], x: 1 } })),
      'a JWT and another client_id': signed({}, undefined, { client_id: 'api' }),
      'a ServiceAccount token that says it is the client': forged(() =>
        broker.caller('web', { iss: 'gateway', sub: 'gateway' }),
      ),
    });
    check([400, 'invalid_request'], {
      'the type of an assertion beside a header': header(() => broker.basic('gateway', gatewaySecret), {
        client_assertion_type: canary,
      }),
      'a secret beside a JWT': signed({}, undefined, { client_secret: gatewaySecret }),
    });
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
    check([400, 'invalid_request'], {
      'no grant': exchange({ grant_type: undefined }),
      'no code': code({ code: undefined }),
      'a code of 20 KB': code({ code: 'c'.repeat(20_000) }),
      'no redirect URI': code({ redirect_uri: undefined }),
      'no verifier': code({ code_verifier: undefined }),
      'a short verifier': code({ code_verifier: 'v'.repeat(42) }),
      'a long verifier': code({ code_verifier: 'v'.repeat(129) }),
      'a verifier of other characters': code({ code_verifier: `${'v'.repeat(50)}\n` }),
      'no session token': exchange({ subject_token: undefined }),
      'no subject token type': exchange({ subject_token_type: undefined }),
      'another subject token type': exchange({ subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }),
      'another requested token type': exchange({ requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
      'an actor token': exchange({ actor_token: canary, actor_token_type: accessTokenType }),
      'the type of no actor token': exchange({ actor_token_type: accessTokenType }),
      'a resource of 5 KB': exchange({ resource: `api://${'a'.repeat(5_000)}` }),
      'no scope': exchange({ scope: undefined }),
      'scopes of 5 KB': exchange({ scope: `${readScope} `.repeat(400) }),
      'claims that are no JSON': exchange({ claims: canary }),
      'claims that are a list': exchange({ claims: '[]' }),
      'claims that are null': exchange({ claims: 'null' }),
      'claims of 9 KB': exchange({ claims: JSON.stringify({ a: 'x'.repeat(9_000) }) }),
      'no assertion of a user': obo({ assertion: undefined }),
      'no requested_token_use': obo({ requested_token_use: undefined }),
      'another requested_token_use': obo({ requested_token_use: 'assertion' }),
      'an app token without scope': app({ scope: undefined }),
    });
    check([400, 'unsupported_grant_type'], {
      'an unknown grant': exchange({ grant_type: canary }),
      'a grant like a property': exchange({ grant_type: 'constructor' }),
      'the password grant': exchange({ grant_type: 'password' }),
    });
    check([400, 'unauthorized_client'], {
      'a grant not allowed': post('web', () => broker.appGrant()),
      'another grant not allowed': post('api', () => broker.exchangeGrant(session)),
      'a redirect URI not allowed': code({ redirect_uri: 'https://evil.test/' }),
      'a redirect URI with more behind it': code({ redirect_uri: `${redirectUri}/x` }),
      'a redirect URI in capitals': code({ redirect_uri: redirectUri.toUpperCase() }),
      "a user's token to exchange by who may do neither": post('operator', () =>
        broker.exchangeGrant(broker.userToken()),
      ),
    });
    check([400, 'invalid_grant'], {
      'an unknown session token': exchange({ subject_token: canary }),
      "another client's session token": post('web', () => broker.exchangeGrant(foreign)),
      "a user's token of another audience to exchange": post('web', () => broker.exchangeGrant(broker.userToken())),
      'an expired token of a user to exchange': post('api', () =>
        broker.exchangeGrant(broker.userToken({ exp: nowSeconds - 1 }), graphScope),
      ),
      'three parts of nothing to exchange': exchange({ subject_token: 'a.b.c' }),
      'an assertion that is no JWT': obo({ assertion: canary }),
      'a session token as assertion': post('api', () => broker.oboGrant(session)),
      'an assertion for another audience': requestObo({ aud: randomUUID() }),
      'an expired assertion of a user': requestObo({ exp: nowSeconds - 1 }),
      'an assertion that never expires': requestObo({ exp: undefined }),
      'an assertion from another tenant': requestObo({ tid: randomUUID() }),
      'an assertion without tenant': requestObo({ tid: undefined }),
      'an ID token as assertion': requestObo({ scp: undefined }),
      'an app token as assertion': post('api', () =>
        broker.oboGrant(broker.issuer.app({ aud: broker.clients.byName.get('api')?.clientId, scp: 'x', idtyp: 'app' })),
      ),
    });
    check([400, 'invalid_scope'], {
      'a scope not allowed for a token of a user': post('api', () => broker.exchangeGrant(broker.userToken())),
      'a scope not allowed of an API that is': exchange({ resource: 'api://api', scope: canary }),
      'a scope of spaces': exchange({ scope: '  ' }),
      'a scope not allowed': exchange({ scope: canary }),
      'one scope of two not allowed': exchange({ scope: `${readScope} ${canary}` }),
      'a scope with a line break': exchange({ scope: `${readScope}\n` }),
      'a scope in capitals': exchange({ scope: readScope.toUpperCase() }),
      'a scope not allowed on behalf of': obo({ scope: readScope }),
      'an app token of a single permission': app({ scope: 'https://graph/User.Read' }),
      'an app token of two resources': app({ scope: 'https://graph/.default https://graph/User.Read' }),
    });
    check([400, 'invalid_request'], {
      'a process without scope': start({ scope: undefined }),
      'a process with claims': start({ claims: '{}' }),
      'a process of an agent': start({ agent: agentId }),
      'no process token': process({ refresh_token: undefined }),
      'a process token for an agent': process({ agent: agentId }),
      'the processes of nobody': post('web', () => ({}), '/processes/list'),
      'the processes of a session and a person': post(
        'operator',
        () => ({ subject_token: session, tid: randomUUID(), oid: randomUUID() }),
        '/processes/list',
      ),
    });
    check([400, 'unauthorized_client'], {
      'a process for a client that is not named': start({ audience: 'weekly' }),
      'a process for nobody': start({ audience: canary }),
      'a process of a client that begins none': post('other-web', () => broker.startGrant(foreign)),
      'a process token of a client without the grant': post('web', () => broker.processGrant(canary)),
      'the processes of a person, for no operator': post(
        'web',
        () => ({ tid: randomUUID(), oid: randomUUID() }),
        '/processes/list',
      ),
    });
    check([400, 'invalid_grant'], {
      "a process of another client's session": post('web', () => broker.startGrant(foreign)),
      'a process of an unknown session': start({ subject_token: canary }),
      "a process of a user's token": post('web', () => broker.startGrant(broker.userToken())),
      'an unknown process token': process({ refresh_token: `process.${canary}` }),
      'a session token in its place': post('nightly', () => broker.processGrant(session)),
      'the processes of an unknown session': post('web', () => ({ subject_token: canary }), '/processes/list'),
    });
    check([400, 'invalid_scope'], {
      'a process of a scope not allowed': start({ scope: canary }),
    });
    check([400, 'invalid_target'], {
      'a resource not allowed': exchange({ resource: 'https://evil.test', scope: undefined }),
      'a resource in part': exchange({ resource: 'api://ap', scope: undefined }),
      'a resource with more behind it': exchange({ resource: 'api://api/read' }),
      'a resource in capitals': exchange({ resource: 'API://API' }),
      'the resource of another scope': exchange({ resource: 'https://graph' }),
      'an audience not allowed': exchange({ audience: canary, scope: undefined }),
      'an audience other than the resource': exchange({ resource: 'api://api', audience: 'https://graph' }),
      'two resources': raw(`&resource=${canary}&resource=api%3A%2F%2Fapi`),
      'an audience twice': raw('&audience=x&audience=x'),
    });
  });

  describe('of an agent', () => {
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const more = (fields: Fields) => ({ agent: agentId, ...fields });
    const userToken = (claims: object = {}) =>
      broker.userToken({ aud: broker.clients.byName.get('agents')?.clientId, ...claims });
    const app = (fields: Fields = {}) => post('agents', () => ({ ...broker.appGrant(), ...more(fields) }));
    const obo = (fields: Fields = {}, claims = {}) =>
      post('agents', () => ({ ...broker.oboGrant(userToken(claims)), ...more(fields) }));
    const user = (fields: Fields = {}) => post('agents', () => broker.userFicGrant(fields));
    /** What a blueprint gets at Entra for its agent: no token of a user, nor of this cluster. */
    const t1 = () => broker.issuer.app({ sub: `/eid1/c/pub/t/x/a/y/${agentId}`, azp: randomUUID(), idtyp: 'app' });
    const tenant = randomUUID();
    const end = (fields: Fields, as = 'operator') => post(as, () => fields, '/sessions/end');
    const rows: Record<string, [error: string, description: string, send: () => Promise<Sent>]> = {};
    const refuse = (error: string, description: string, sends: Record<string, () => Promise<Sent>>) => {
      for (const [what, send] of Object.entries(sends)) rows[what] = [error, description, send];
    };
    const notConfigured = 'The client is not configured for this agent.';
    refuse('unauthorized_client', notConfigured, {
      'outside the allow-list, for itself': app({ agent: otherAgentId }),
      'outside the allow-list, on behalf of a person': obo({ agent: otherAgentId }),
      'outside the allow-list, as its user': user({ agent: otherAgentId }),
      'of a client that has none': post('api', () => ({ ...broker.appGrant(), agent: agentId })),
      'that is its blueprint': post('agents', () => ({
        ...broker.appGrant(),
        agent: broker.clients.byName.get('agents')?.clientId,
      })),
    });
    refuse('unauthorized_client', 'The client is not configured for this grant.', {
      "'s user, for a client without that grant": post('api', () => broker.userFicGrant()),
    });
    refuse('invalid_request', 'agent: is not a GUID.', {
      'that is no GUID': app({ agent: canary }),
      'that is a GUID and more': app({ agent: `${agentId}x` }),
      'that is a list': obo({ agent: `${agentId} ${agentId}` }),
      'that is a name': obo({ agent: 'scout' }),
      'of 5 KB': user({ agent: 'a'.repeat(5_000) }),
      'to end that is no GUID': end({ tid: tenant, agent: canary }),
    });
    refuse('invalid_request', 'The parameter agent is missing.', {
      "'s user, without an agent": user({ agent: undefined }),
      "'s user, of an agent without a value": user({ agent: '' }),
    });
    refuse('invalid_request', 'username: send exactly one of username and user_id.', {
      "'s user, who is not named": user({ username: undefined }),
      "'s user, named twice over": user({ user_id: randomUUID() }),
    });
    refuse('invalid_request', 'user_id: is not a GUID.', {
      "'s user, whose id is no GUID": user({ username: undefined, user_id: canary }),
    });
    refuse('invalid_request', 'username: may have 256 characters.', {
      "'s user of a long name": user({ username: 'x'.repeat(257) }),
    });
    refuse('invalid_grant', 'An agent acts by an access token for its blueprint.', {
      'for a session': post('web', () => ({ ...broker.exchangeGrant(session), agent: agentId })),
    });
    refuse('invalid_request', 'agent: is not supported.', {
      'at a sign-in': code({ agent: agentId }),
    });
    refuse('invalid_request', 'A parameter was sent more than once.', {
      'that is repeated': () => {
        const body = broker.form({ ...broker.caller('agents'), ...broker.appGrant(), agent: agentId });
        return broker.send({ path: token, headers: form, body: `${body}&agent=${otherAgentId}` });
      },
    });
    refuse('invalid_request', 'sid: send exactly one of sid, subject_token, or tid with oid or agent.', {
      'to end, without a tenant': end({ agent: agentId }),
      'to end, and a person': end({ tid: tenant, agent: agentId, oid: randomUUID() }),
      'to end, and a session': end({ tid: tenant, agent: agentId, sid: 's' }),
    });
    refuse('unauthorized_client', 'The client lacks the permission operator.', {
      'to end, by who is no operator': end({ tid: tenant, agent: agentId }, 'agents'),
    });
    refuse('invalid_scope', 'The client is not configured for all of these scopes.', {
      'of a scope not allowed': user({ scope: readScope }),
      'of a scope not allowed for itself': app({ scope: 'api://AzureADTokenExchange/.default' }),
    });
    refuse('invalid_scope', 'client_credentials takes exactly one scope: <resource>/.default.', {
      'of a single permission for itself': app({ scope: graphScope }),
    });
    refuse('invalid_grant', 'The assertion is for another audience.', {
      "by a person's token for another API": obo({}, { aud: randomUUID() }),
      "by a person's token for the agent": obo({}, { aud: agentId }),
    });
    refuse('invalid_grant', 'The assertion is from another tenant.', {
      "by a person's token of another tenant": obo({}, { tid: randomUUID() }),
    });
    refuse('invalid_grant', 'The assertion has expired.', {
      "by a person's token that has expired": obo({}, { exp: nowSeconds - 1 }),
    });
    refuse('invalid_grant', "The assertion is not a user's access token.", {
      "whose blueprint's token for it comes as a person's": post('agents', () => ({
        ...broker.oboGrant(t1()),
        agent: agentId,
      })),
      'whose own token comes as that of a person': obo({}, { idtyp: 'app', scp: '/' }),
    });
    refuse('invalid_client', 'The client assertion is not valid.', {
      "whose blueprint's token for it comes as a client assertion": post(undefined, () => ({
        ...{ ...broker.caller('agents'), client_assertion: t1() },
        ...broker.appGrant(),
        agent: agentId,
      })),
    });
    for (const [what, [error, description, send]] of Object.entries(rows)) {
      it(`an agent ${what}: ${error}, ${description}`, async () => {
        broker.watch.writes.splice(0);
        broker.entra.reset();
        const { status, body, text } = await send();
        const expected = [error === 'invalid_client' ? 401 : 400, error, description];
        assert.deepEqual([status, body.error, body.error_description], expected, text);
        assert.ok(!text.includes(canary) && !text.includes(agentId), 'quotes the input');
        assert.deepEqual([broker.watch.writes, broker.entra.calls], [[], []]);
      });
    }

    it('is served in any spelling of its GUID', async () => {
      const one = await app()();
      const other = await app({ agent: agentId.toUpperCase() })();
      assert.equal(one.body.access_token, other.body.access_token);
      assert.equal((await obo()()).status, 200);
      assert.equal(
        (await user()()).body.access_token,
        (await user({ username: 'SCOUT@contoso.test' })()).body.access_token,
      );
    });
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
    const introspected = Object.entries(tokens).map(([what, make]): [string, () => Promise<Sent>] => [
      `introspection of an access token: ${what}`,
      at('/oauth2/introspect', () => ({ token: make() }), 'api'),
    ]);
    check([200, undefined], Object.fromEntries(introspected));
    for (const [what, make] of Object.entries(tokens)) {
      it(`tells of an access token that is no good nothing but that: ${what}`, async () => {
        assert.equal((await broker.post('/oauth2/introspect', 'api', { token: make() })).text, '{"active":false}');
      });
    }
    check([401, 'invalid_client'], {
      'introspection by nobody': post(undefined, () => ({ token: session }), '/oauth2/introspect'),
      'revocation by nobody': post(undefined, () => ({ token: session }), '/oauth2/revoke'),
      'an end by nobody': post(undefined, () => ({ sid: 's' }), '/sessions/end'),
    });
    check([400, 'invalid_request'], {
      'introspection of nothing': at('/oauth2/introspect', () => ({})),
      'revocation of nothing': at('/oauth2/revoke', () => ({})),
      'an end of nothing': at('/sessions/end', () => ({})),
      'an end of two things': at('/sessions/end', () => ({ sid: 's', subject_token: session })),
      'an end of three things': at('/sessions/end', () => ({ sid: 's', tid: guid, oid: guid })),
      'an issuer alone': at('/sessions/end', () => ({ iss: 'https://login.microsoftonline.com' })),
      'a tenant without a person': at('/sessions/end', () => ({ tid: guid })),
      'a person without a tenant': at('/sessions/end', () => ({ oid: guid })),
      'a person that is no GUID': at('/sessions/end', () => ({ tid: guid, oid: canary }), 'operator'),
    });
    check([200, undefined], {
      'introspection of the unknown': at('/oauth2/introspect', () => ({ token: canary })),
      "introspection of another client's session": at('/oauth2/introspect', () => ({ token: foreign })),
      'revocation of the unknown': at('/oauth2/revoke', () => ({ token: canary })),
      "revocation of another client's session": at('/oauth2/revoke', () => ({ token: foreign })),
      "a sid of another issuer's": at('/sessions/end', () => ({ sid: 's', iss: 'https://evil.test' })),
    });
    check([400, 'unsupported_token_type'], {
      'revocation of an access token': at('/oauth2/revoke', () => ({ token: broker.userToken() })),
    });
    check([400, 'unauthorized_client'], {
      'a person, without the permission': at('/sessions/end', () => ({ tid: guid, oid: guid })),
    });
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
