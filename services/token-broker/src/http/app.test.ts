import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { grantTypes } from '@onbehalf/node/core/oauth';
import { z } from 'zod';
import { refusal } from '../entra/entra.fake.ts';
import {
  accessTokenType,
  appScope,
  type FakeBroker,
  type Fields,
  graphScope,
  openBroker,
  readScope,
} from '../grants/broker.fake.ts';
import { openapi } from './metadata.ts';

const [token, introspect, revoke, end] = ['/oauth2/token', '/oauth2/introspect', '/oauth2/revoke', '/sessions/end'];

describe('the broker over HTTP', () => {
  let broker: FakeBroker;
  before(async () => {
    broker = await openBroker();
  });
  after(() => broker[Symbol.asyncDispose]());

  const isActive = async (session: string, as = 'web') =>
    (await broker.post(introspect, as, { token: session })).body.active;

  describe('grants', () => {
    it('a code: a session token that is no JWT, and the ID token', async () => {
      const person = randomUUID();
      const { status, headers, body } = await broker.post(token, 'web', broker.codeGrant(person));
      assert.equal(status, 200);
      const { access_token, ...rest } = body;
      assert.match(String(access_token), /^[\w-]{43}$/);
      const scope = 'openid profile offline_access';
      assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 3_600, scope, id_token: `id-${person}` });
      assert.deepEqual(
        [headers['cache-control'], headers.pragma, headers['content-type']],
        ['no-store', 'no-cache', 'application/json'],
      );
    });

    it('a code with the scope that its caller names, as far as the session is good for it', async () => {
      const requestScope = async (scope: string) =>
        (await broker.post(token, 'web', { ...broker.codeGrant(randomUUID()), scope })).body.scope;
      assert.equal(await requestScope(`openid ${readScope}`), `openid ${readScope}`);
      assert.equal(await requestScope(`openid offline_access openid ${appScope}`), 'openid offline_access');
      assert.equal(await requestScope('unknown'), 'openid profile offline_access');
    });

    it('a code once; its second use costs no call', async () => {
      const fields = broker.codeGrant(randomUUID());
      await broker.post(token, 'web', fields);
      broker.entra.reset();
      const { status, body } = await broker.post(token, 'web', fields);
      assert.deepEqual([status, body.error], [400, 'invalid_grant']);
      assert.equal(broker.entra.calls.length, 0);
    });

    it('a code is not spent while the store is away', async () => {
      const fields = broker.codeGrant(randomUUID());
      broker.entra.reset();
      broker.watch.away = true;
      const { status, headers, body } = await broker.post(token, 'web', fields);
      broker.watch.away = false;
      assert.deepEqual([status, body.error, headers['retry-after']], [503, 'temporarily_unavailable', '2']);
      assert.equal(broker.entra.calls.length, 0);
      assert.equal((await broker.post(token, 'web', fields)).status, 200);
    });

    it('a session token for an access token', async () => {
      const session = await broker.signIn();
      const { status, body } = await broker.post(
        token,
        'web',
        broker.exchangeGrant(session, `${graphScope}  ${readScope}`),
      );
      assert.equal(status, 200);
      const { access_token, expires_in, ...rest } = body;
      assert.match(String(access_token), /^refresh-/);
      assert.ok(Number(expires_in) > 3_590 && Number(expires_in) <= 3_600);
      const scope = `${readScope} ${graphScope}`;
      assert.deepEqual(rest, { token_type: 'Bearer', scope, issued_token_type: accessTokenType });
    });

    it('a token of any characters as it is, from memory too, in the type that is asked for', async () => {
      for (const written of [
        `a"b${'x'.repeat(100)}`,
        'a\\b',
        'a\nb',
        `é${'x'.repeat(100)}`,
        '€🔑',
        '\x7f',
        'plain ~!',
      ]) {
        const session = await broker.signIn();
        broker.entra.write = () => written;
        for (const requested_token_type of [accessTokenType, '', undefined]) {
          const fields = { ...broker.exchangeGrant(session), requested_token_type };
          const { body, text, headers } = await broker.post(token, 'web', fields);
          assert.equal(body.access_token, written);
          assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
        }
      }
      broker.entra.write = undefined;
    });

    it('a session token with claims for another token than without', async () => {
      const session = await broker.signIn();
      const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
      const plain = await broker.post(token, 'web', broker.exchangeGrant(session));
      const stepped = await broker.post(token, 'web', { ...broker.exchangeGrant(session), claims });
      assert.notEqual(plain.body.access_token, stepped.body.access_token);
      assert.equal(broker.entra.calls.at(-1)?.claims, claims);
    });

    it('a session token for the API that resource or audience names, with the scopes it is asked for', async () => {
      const session = await broker.signIn();
      const asked: [Fields, string][] = [
        [{ resource: 'api://api' }, `${readScope} api://api/write`],
        [{ audience: 'api' }, `${readScope} api://api/write`],
        [{ resource: 'https://graph/', audience: 'https://graph' }, graphScope],
        [{ resource: 'api://api', scope: 'read' }, readScope],
        [{ resource: 'api://api', scope: `write  ${readScope}` }, `${readScope} api://api/write`],
      ];
      for (const [more, scope] of asked) {
        const fields = { ...broker.exchangeGrant(session), scope: undefined, ...more };
        const { status, body } = await broker.post(token, 'web', fields);
        assert.deepEqual([status, body.scope], [200, scope], JSON.stringify(more));
      }
      const obo = { ...broker.oboGrant(broker.userToken()), scope: 'User.Read', resource: 'https://graph' };
      assert.equal((await broker.post(token, 'api', obo)).body.scope, graphScope);
      const app = { ...broker.appGrant(), scope: undefined, resource: 'https://graph' };
      assert.equal((await broker.post(token, 'api', app)).body.scope, appScope);
    });

    it("a session token for Microsoft Graph of the authority's cloud, whose scopes need no resource", async () => {
      await using gov = await openBroker({ ENTRA_AUTHORITY_HOST: 'https://login.microsoftonline.us' });
      const session = await gov.signIn(undefined, 'other-web');
      const ask = async (resource: string) => {
        const fields = { ...gov.exchangeGrant(session), scope: undefined, resource };
        const { body } = await gov.post(token, 'other-web', fields);
        return body.scope ?? body.error;
      };
      assert.equal(await ask('https://graph.microsoft.us'), 'Mail.Read');
      assert.equal(await ask('https://graph.microsoft.com'), 'invalid_target');
    });

    it('at its whole URL as at its path: RFC 9112 section 3.2.2', async () => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
      const body = broker.form({ ...broker.caller('api'), ...broker.appGrant() });
      for (const origin of ['http://broker.test', 'HTTPS://broker.test:8443']) {
        assert.equal((await broker.send({ path: `${origin}${token}`, headers, body })).status, 200);
        assert.equal((await broker.send({ method: 'GET', path: `${origin}/openapi.json` })).status, 200);
      }
    });

    it("a user's token for one of the next API", async () => {
      const { status, body } = await broker.post(token, 'api', broker.oboGrant(broker.userToken()));
      assert.deepEqual([status, body.token_type, body.scope], [200, 'Bearer', graphScope]);
      assert.match(String(body.access_token), /^onBehalfOf-/);
    });

    it("a user's token for one of the next API, in the words of token exchange", async () => {
      const assertion = broker.userToken();
      broker.entra.reset();
      const exchange = broker.exchangeGrant(assertion, graphScope);
      const { status, body } = await broker.post(token, 'api', exchange);
      assert.deepEqual([status, body.scope, body.issued_token_type], [200, graphScope, accessTokenType]);
      const same = await broker.post(token, 'api', broker.oboGrant(assertion));
      assert.equal(same.body.access_token, body.access_token, 'one token, however it is asked for');
      assert.deepEqual(
        broker.entra.calls.map(({ method }) => method),
        ['onBehalfOf'],
      );
    });

    it("an app's own token", async () => {
      const { status, body } = await broker.post(token, 'api', broker.appGrant());
      assert.deepEqual([status, body.token_type, body.scope], [200, 'Bearer', appScope]);
      assert.match(String(body.access_token), /^appToken-/);
    });

    it('to a ServiceAccount of two clients as the one it names, by name or client id', async () => {
      const twin = broker.clients.byName.get('twin-b');
      for (const client_id of ['twin-b', twin?.clientId]) {
        const { status } = await broker.post(token, 'twin', { ...broker.appGrant(), client_id });
        assert.equal(status, 200);
      }
      assert.equal(broker.entra.calls.at(-1)?.client, 'twin-b');
    });

    it('with a content type in capitals, with a charset, and in chunks', async () => {
      const body = broker.form({ ...broker.caller('api'), ...broker.appGrant() });
      for (const type of ['Application/X-WWW-Form-URLEncoded', 'application/x-www-form-urlencoded; charset="UTF-8"']) {
        const sent = await broker.send({
          path: token,
          headers: { 'Content-Type': type },
          body: [...body].map((c) => Buffer.from(c)),
        });
        assert.equal(sent.status, 200, sent.text);
      }
    });

    it('under the trace of the caller', async () => {
      const traceId = 'ab'.repeat(16);
      const { body } = await broker.post(token, 'web', broker.exchangeGrant('x'), {
        traceparent: `00-${traceId}-${'1'.repeat(16)}-01`,
      });
      assert.equal(body.trace_id, traceId);
    });
  });

  describe("Entra's refusals", () => {
    const rows: [Parameters<typeof refusal>, number, string, string | undefined][] = [
      [
        ['interaction', { members: { claims: '{"a":1}', suberror: 'basic_action', error_codes: [50076] } }],
        400,
        'interaction_required',
        undefined,
      ],
      [['consent'], 400, 'consent_required', undefined],
      [['sign_in'], 400, 'login_required', undefined],
      [['scope'], 400, 'invalid_scope', undefined],
      [['throttled', { retryAfterSeconds: 17 }], 429, 'temporarily_unavailable', '17'],
      [['throttled'], 429, 'temporarily_unavailable', '60'],
      [['transient'], 503, 'temporarily_unavailable', '5'],
      [['credential'], 500, 'server_error', undefined],
      [['configuration'], 500, 'server_error', undefined],
    ];
    for (const [response, status, error, retryAfter] of rows) {
      it(`${response[0]} is ${status} ${error}, Retry-After ${retryAfter}`, async () => {
        // A pause is the whole client's, and what is left of it falls: each request has a broker of its own.
        await using broker = await openBroker();
        await using another = await openBroker();
        const session = await broker.signIn();
        const refuse = () => refusal(...response);
        broker.entra.responses.refresh = refuse;
        const sent = await broker.post(token, 'web', broker.exchangeGrant(session));
        broker.entra.responses.refresh = undefined;
        assert.deepEqual([sent.status, sent.body.error, sent.headers['retry-after']], [status, error, retryAfter]);
        if (response[0] === 'interaction')
          assert.deepEqual([sent.body.claims, sent.body.error_codes], ['{"a":1}', [50076]]);
        if (response[0] === 'consent') assert.equal(sent.body.scope, readScope);
        const { body } = await broker.post('/oauth2/introspect', 'web', { token: session });
        assert.equal(body.active, true, 'the session is kept');
        another.entra.responses.redeemCode = refuse;
        const signIn = await another.post(token, 'web', another.codeGrant(randomUUID()));
        assert.deepEqual([signIn.status, signIn.headers['retry-after']], [status, retryAfter]);
      });
    }
  });

  describe('introspection and revocation', () => {
    it('tell a live session with its ends, then end it', async () => {
      const person = randomUUID();
      const session = await broker.signIn(person);
      const { body } = await broker.post(introspect, 'web', { token: session, token_type_hint: 'access_token' });
      const iat = Number(body.iat);
      assert.ok(Math.abs(iat - Date.now() / 1_000) < 5);
      const ends = { iat, exp: iat + 3_600, idle_exp: iat + 3_600, absolute_exp: iat + 43_200 };
      assert.deepEqual(body, { active: true, sub: `sub-${person}`, sid: `sid-${person}`, client_id: 'web', ...ends });
      const { status, text } = await broker.post(revoke, 'web', { token: session });
      assert.deepEqual([status, text], [200, '{}']);
      assert.equal((await broker.post(introspect, 'web', { token: session })).text, '{"active":false}');
      assert.equal((await broker.post(revoke, 'web', { token: session })).status, 200);
      const refused = await broker.post(token, 'web', broker.exchangeGrant(session));
      assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
    });

    it("tell an access token for the client's own API, with its claims", async () => {
      const oid = randomUUID();
      const name = 'Zoë 李';
      const access = broker.userToken({ oid, jti: 'j', name });
      const { status, body } = await broker.post(introspect, 'api', { token: access });
      const { aud, exp, iss, scp, scope, client_id, azp, jti, token_type, active } = body;
      assert.deepEqual([status, active, token_type, body.oid, jti], [200, true, 'Bearer', oid, 'j']);
      assert.equal(body.name, name);
      assert.deepEqual([aud, scope, client_id], [broker.clients.byName.get('api')?.clientId, scp, azp]);
      assert.equal(iss, `https://login.microsoftonline.com/${broker.tenant}/v2.0`);
      assert.ok(Number(exp) > Date.now() / 1_000);
      const app = broker.userToken({ scp: undefined, idtyp: 'app', roles: ['Read'] });
      assert.deepEqual((await broker.post(introspect, 'api', { token: app })).body.roles, ['Read']);
      assert.equal((await broker.post(introspect, 'web', { token: access })).text, '{"active":false}', "another's");
    });

    it('tell an access token that was issued before its person signed out as inactive', async () => {
      const oid = randomUUID();
      const claims = { oid, iat: Math.floor(Date.now() / 1_000) - 5 };
      const access = broker.userToken(claims);
      assert.equal(await isActive(access, 'api'), true);
      await broker.post(revoke, 'web', { token: await broker.signIn(oid) });
      assert.equal(await isActive(access, 'api'), false);
      const grant = broker.exchangeGrant(access, graphScope);
      assert.equal((await broker.post(token, 'api', grant)).body.error, 'invalid_grant');
    });

    it('are 503 while the store is away, never inactive', async () => {
      const session = await broker.signIn();
      broker.watch.away = true;
      const responses = await Promise.all([
        broker.post(introspect, 'web', { token: 'another pod may know it' }),
        broker.post(revoke, 'web', { token: session }),
        broker.post(introspect, 'api', { token: broker.userToken() }),
      ]);
      assert.equal(await isActive(session), true, 'memory knows it');
      const ended = await broker.post(end, 'web', { sid: 's' });
      broker.watch.away = false;
      for (const { status, headers, body } of [...responses, ended]) {
        assert.deepEqual([status, headers['retry-after'], body.error], [503, '2', 'temporarily_unavailable']);
      }
      assert.equal(await isActive(session), true);
    });
  });

  describe('the end of sessions', () => {
    it('by sid, with or without its issuer', async () => {
      for (const iss of [undefined, `https://login.microsoftonline.com/${broker.tenant}/v2.0`]) {
        const person = randomUUID();
        const session = await broker.signIn(person);
        assert.deepEqual((await broker.post(end, 'other-web', { sid: `sid-${person}`, iss })).body, { ended: 0 });
        assert.deepEqual((await broker.post(end, 'web', { sid: `sid-${person}`, iss: 'https://evil.test' })).body, {
          ended: 0,
        });
        assert.deepEqual((await broker.post(end, 'web', { sid: `sid-${person}`, iss })).body, { ended: 1 });
        assert.equal(await isActive(session), false);
      }
    });

    it('of an account, by one of them', async () => {
      const person = randomUUID();
      const [a, b] = [await broker.signIn(person), await broker.signIn(person)];
      assert.deepEqual((await broker.post(end, 'web', { subject_token: a })).body, { ended: 2 });
      assert.deepEqual([await isActive(a), await isActive(b)], [false, false]);
    });

    it('of a person over all clients, for an operator', async () => {
      const person = randomUUID();
      const [a, b] = [await broker.signIn(person), await broker.signIn(person, 'other-web')];
      const fields = { tid: broker.tenant, oid: person };
      assert.equal((await broker.post(end, 'web', fields)).body.error, 'unauthorized_client');
      assert.deepEqual((await broker.post(end, 'operator', fields)).body, { ended: 2 });
      assert.deepEqual([await isActive(a), await isActive(b, 'other-web')], [false, false]);
    });
  });

  describe('the log', () => {
    const linesFrom = (from: number) =>
      broker.lines.slice(from).map((line) => JSON.parse(line) as Record<string, unknown>);

    it('calls a person by one name at every client, from sign-in to end, which an operator can look up', async () => {
      const person = randomUUID();
      const from = broker.lines.length;
      await broker.signIn(person);
      await broker.post(revoke, 'web', { token: await broker.signIn(person, 'other-web') });
      await broker.post(revoke, 'other-web', { token: await broker.signIn(person, 'other-web') });
      await broker.post(end, 'operator', { tid: broker.tenant, oid: person });
      const audit = linesFrom(from).filter(({ event }) => String(event).startsWith('audit.'));
      const asked = { tid: broker.tenant, oid: person.toUpperCase() };
      const { body, status } = await broker.post('/accounts/lookup', 'operator', asked);
      assert.deepEqual([status, [...new Set(audit.map(({ account }) => account))]], [200, [body.account]]);
      assert.ok(audit.length >= 5);
      const other = await broker.post('/accounts/lookup', 'operator', { ...asked, oid: randomUUID() });
      assert.notEqual(other.body.account, body.account);
    });

    it('tells nobody else what a person is called', async () => {
      const { body } = await broker.post('/accounts/lookup', 'web', { tid: broker.tenant, oid: randomUUID() });
      assert.equal(body.error, 'unauthorized_client');
    });

    it('says of a session that was replaced that it was, and calls no unknown sid an end', async () => {
      const from = broker.lines.length;
      await broker.post(revoke, 'web', { token: await broker.signIn(), reason: 'replaced' });
      await broker.post(revoke, 'web', { token: await broker.signIn() });
      assert.deepEqual((await broker.post(end, 'web', { sid: 'nobody' })).body, { ended: 0 });
      const ends = linesFrom(from).filter(({ event }) => /^audit.session.*ended/.test(String(event)));
      assert.deepEqual(
        ends.map(({ reason }) => reason),
        ['replaced', 'sign_out'],
      );
      const { body } = await broker.post(revoke, 'web', { token: 't', reason: 'because' });
      assert.equal(body.error, 'invalid_request');
    });
  });

  describe('its documents', () => {
    it('RFC 8414 metadata, under its own issuer', async () => {
      const path = '/.well-known/oauth-authorization-server';
      const { status, headers, body } = await broker.send({ method: 'GET', path });
      assert.deepEqual([status, headers['cache-control']], [200, 'no-store']);
      assert.equal(body.issuer, 'https://broker.test');
      for (const [name, at] of Object.entries({ token, introspection: introspect, revocation: revoke })) {
        assert.equal(body[`${name}_endpoint`], `https://broker.test${at}`);
        const methods = ['private_key_jwt', 'client_secret_basic', 'client_secret_post'];
        assert.deepEqual(body[`${name}_endpoint_auth_methods_supported`], methods);
      }
      assert.deepEqual(body.grant_types_supported, Object.values(grantTypes));
      assert.equal(body.authorization_endpoint, `https://login.test/${broker.tenant}/as/discovered`);
      assert.deepEqual([body.response_types_supported, body.code_challenge_methods_supported], [['code'], ['S256']]);
      assert.equal((await broker.send({ method: 'HEAD', path })).status, 200);
    });

    it('an OpenAPI description that takes what the endpoints take, and refuses what they refuse', async () => {
      const { body } = await broker.send({ method: 'GET', path: '/openapi.json' });
      const paths = body.paths as ReturnType<typeof openapi>['paths'];
      assert.deepEqual(Object.keys(paths), [token, introspect, revoke, end, '/processes/list', '/accounts/lookup']);
      const accepts = (path: keyof typeof paths, fields: Fields) => {
        const { schema } = paths[path].post.requestBody.content['application/x-www-form-urlencoded'];
        const sent = JSON.parse(JSON.stringify({ ...broker.caller('web'), ...fields }));
        return z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema).safeParse(sent).success;
      };
      const good: [keyof typeof paths, Fields][] = [
        [token, broker.codeGrant('c')],
        [token, broker.exchangeGrant('s')],
        [token, { ...broker.exchangeGrant('s'), claims: '{}', requested_token_type: accessTokenType, unknown: 'x' }],
        [token, broker.oboGrant('a')],
        [token, broker.appGrant()],
        [introspect, { token: 't' }],
        [revoke, { token: 't', token_type_hint: 'access_token' }],
        [end, { sid: 's' }],
        [end, { subject_token: 's' }],
        [end, { tid: randomUUID(), oid: randomUUID() }],
      ] as [keyof typeof paths, Fields][];
      for (const [path, fields] of good) assert.ok(accepts(path, fields), JSON.stringify(fields));
      const bad: [keyof typeof paths, Fields][] = [
        [token, {}],
        [token, { ...broker.codeGrant('c'), code_verifier: 'short' }],
        [token, { ...broker.codeGrant('c'), redirect_uri: undefined }],
        [token, { ...broker.exchangeGrant('s'), actor_token: 'a' }],
        [token, { ...broker.exchangeGrant('s'), actor_token_type: 'a' }],
        [token, { ...broker.exchangeGrant('s'), subject_token_type: 'x' }],
        [token, { ...broker.oboGrant('a'), requested_token_use: 'x' }],
        [token, { ...broker.appGrant(), grant_type: 'password' }],
        [token, { ...broker.appGrant(), client_assertion: undefined }],
        [introspect, {}],
        [end, { tid: 'x', oid: 'y' }],
      ] as [keyof typeof paths, Fields][];
      for (const [path, fields] of bad) {
        assert.equal(accepts(path, fields), false, JSON.stringify(fields));
        assert.ok((await broker.post(path, 'web', { ...fields, client_assertion: undefined })).status >= 400);
      }
    });

    it('the committed OpenAPI description is the one that is served', async () => {
      const file = await readFile(new URL('../../openapi.json', import.meta.url), 'utf8');
      const served = JSON.parse(JSON.stringify(openapi('https://token-broker.example')));
      assert.deepEqual(JSON.parse(file), served, 'make it anew: npm run openapi -w services/token-broker');
    });
  });

  it('shows no token in its log', () => {
    assert.doesNotMatch(broker.lines.join(''), /eyJ|refresh-\d|onBehalfOf-\d|appToken-\d|v{43}|"[\w-]{43}"/);
  });
});

describe('the rate of requests', () => {
  it('of one session is limited, and others are not held up', async () => {
    await using broker = await openBroker({ SESSION_RATE: '1' });
    const [busy, calm] = [await broker.signIn(), await broker.signIn()];
    const responses = [];
    for (let i = 0; i < 6; i += 1) responses.push(await broker.post(token, 'web', broker.exchangeGrant(busy)));
    const refused = responses.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 1);
    for (const { headers, body } of refused) {
      assert.equal(body.error, 'temporarily_unavailable');
      assert.ok(Number(headers['retry-after']) >= 1);
      assert.equal(headers['cache-control'], 'no-store');
    }
    assert.equal((await broker.post(token, 'web', broker.exchangeGrant(calm))).status, 200);
    assert.equal((await broker.post(introspect, 'web', { token: busy })).body.active, true);
  });

  it('of one caller is limited on every endpoint, and others are not held up', async () => {
    await using broker = await openBroker({ CALLERS_RATE: '2' });
    const statuses = [];
    for (const path of [introspect, revoke, introspect, introspect]) {
      statuses.push((await broker.post(path, 'web', { token: 'x' })).status);
    }
    assert.ok(statuses.includes(429));
    assert.equal((await broker.post(token, 'api', broker.appGrant())).status, 200);
  });
});
