import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { ConfigError } from '../core/config-error.ts';
import { type FakeIssuer, openIssuer } from '../core/keys/issuer.fake.ts';
import { openServer } from '../core/server.fake.ts';
import { type ApiOptions, ProtectedApi } from './protected-api.ts';

describe('a protected API', () => {
  let issuer: FakeIssuer;
  let options: ApiOptions;
  before(async () => {
    issuer = await openIssuer();
    options = { tenant: issuer.tenant, audience: issuer.audience, authorityHost: issuer.origin };
  });
  after(() => issuer[Symbol.asyncDispose]());

  const ask = (token?: string, path = '/') =>
    new Request(`https://api.test${path}`, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
  const refusal = async (api: ProtectedApi, request: Request, needs = {}) => {
    const { response } = await api.verify(request, needs);
    assert.ok(response, 'it passed');
    const { status, headers } = response;
    return { status, challenge: headers.get('www-authenticate'), body: await response.json() };
  };

  it('gives the user of a token, and what to respond to any other request', async () => {
    const api = new ProtectedApi(options);
    const { user } = await api.verify(ask(issuer.user({ oid: 'alice' })), { scope: 'access_as_user' });
    assert.deepEqual([user?.oid, user?.name, user?.scopes], ['alice', 'Alice', ['access_as_user']]);
    assert.deepEqual(await refusal(api, ask()), {
      ...{ status: 401, challenge: 'Bearer' },
      body: { error: 'invalid_token', error_description: 'A bearer token is needed.' },
    });
    const { response } = await api.verify(ask('e30.e30.e30'));
    assert.equal(response?.headers.get('cache-control'), 'no-store');
  });

  it('says what a token lacks: a scope, a role, an authentication context', async () => {
    const api = new ProtectedApi(options);
    const challenge = async (token: string, needs: object) => (await refusal(api, ask(token), needs)).challenge;
    assert.match((await challenge(issuer.user(), { scope: 'x' })) ?? '', /insufficient_scope", scope="x"/);
    assert.match((await challenge(issuer.user(), { role: 'y' })) ?? '', /insufficient_scope", scope="y"/);
    assert.match((await challenge(issuer.user(), { authContext: 'c1' })) ?? '', /insufficient_claims", claims="/);
    const { user } = await api.verify(ask(issuer.app()), { role: 'Reports.Read' });
    assert.ok(user);
  });

  it('refuses a token in the address, and two of them', async () => {
    const api = new ProtectedApi(options);
    assert.equal((await refusal(api, ask(issuer.user(), '/?access_token=x'))).status, 400);
    const twice = ask();
    for (const _ of [1, 2]) twice.headers.append('Authorization', `Bearer ${issuer.user()}`);
    assert.equal((await refusal(api, twice)).status, 401);
  });

  it('takes a request of node:http too', async () => {
    const api = new ProtectedApi(options);
    await using server = await openServer(async (req, res) => {
      const { user, response } = await api.verify(req);
      res.statusCode = response?.status ?? 200;
      res.end(user?.name);
    });
    const headers = { Authorization: `Bearer ${issuer.user()}` };
    assert.equal(await (await fetch(server.origin, { headers })).text(), 'Alice');
    assert.equal((await fetch(`${server.origin}/?access_token=x`)).status, 400);
    assert.equal((await fetch(server.origin)).status, 401);
  });

  it('is unavailable while the signing keys cannot be had', async () => {
    const { origin, ...closed } = await openServer(() => {});
    await closed[Symbol.asyncDispose]();
    const api = new ProtectedApi({ ...options, authorityHost: origin });
    assert.deepEqual([(await refusal(api, ask(issuer.user()))).status], [503]);
  });

  for (const [resource, path] of [
    ['https://api.test', '/.well-known/oauth-protected-resource'],
    ['https://api.test/orders/v1', '/.well-known/oauth-protected-resource/orders/v1'],
  ] as const) {
    it(`publishes its metadata for ${resource}, and names them in every challenge`, async () => {
      const api = new ProtectedApi({ ...options, resource, scopes: ['api://orders/read'] });
      const { response } = await api.verify(ask(undefined, path));
      assert.deepEqual(await response?.json(), {
        resource,
        authorization_servers: [`${issuer.origin}/${issuer.tenant}/v2.0`],
        scopes_supported: ['api://orders/read'],
        bearer_methods_supported: ['header'],
      });
      const named = `resource_metadata="https://api.test${path}"`;
      assert.equal((await refusal(api, ask())).challenge, `Bearer ${named}`);
      for (const refused of [ask('e30.e30.e30'), ask(issuer.user())]) {
        const { challenge } = await refusal(api, refused, { scope: 'other' });
        assert.ok(challenge?.endsWith(`, ${named}`), `${challenge}`);
      }
    });
  }

  it('names a scope that is lacking as a client asks Entra ID for it, where a bare name is Graph’s', async () => {
    for (const [scopes, requested] of [
      [['api://orders/read'], 'api://orders/other'],
      [['https://api.test/mcp/read'], 'https://api.test/mcp/other'],
      [undefined, 'https://api.test/mcp/other'],
      [['read'], 'https://api.test/mcp/other'],
    ] as const) {
      const api = new ProtectedApi({ ...options, resource: 'https://api.test/mcp', ...(scopes && { scopes }) });
      const { challenge } = await refusal(api, ask(issuer.user()), { scope: 'other' });
      assert.match(`${challenge}`, new RegExp(`^Bearer error="insufficient_scope", scope="${requested}", resource_`));
    }
  });

  it('has its metadata read by pages of any origin, whatever headers their clients send', async () => {
    const api = new ProtectedApi({ ...options, resource: 'https://api.test/mcp' });
    const at = 'https://api.test/.well-known/oauth-protected-resource/mcp';
    for (const method of ['OPTIONS', 'GET', 'HEAD', 'POST']) {
      const { response } = await api.verify(new Request(at, { method }));
      const cors = ['origin', 'headers'].map((name) => response?.headers.get(`access-control-allow-${name}`));
      assert.deepEqual([response?.status, ...cors], method === 'POST' ? [401, null, null] : [200, '*', '*'], method);
    }
    const elsewhere = await api.verify(new Request('https://api.test/mcp', { method: 'OPTIONS' }));
    assert.equal(elsewhere.response?.status, 401);
  });

  it('publishes nothing unless it has a resource', async () => {
    const api = new ProtectedApi(options);
    assert.equal((await refusal(api, ask(undefined, '/.well-known/oauth-protected-resource'))).status, 401);
  });

  it('names every option that is wrong, and no value', () => {
    const wrong = { tenant: 'canary', audience: 'api://canary', authorityHost: 'http://canary.test' };
    assert.throws(
      () => new ProtectedApi(wrong),
      (error) => {
        assert.ok(error instanceof ConfigError);
        for (const name of ['tenant.0:', 'audience:', 'authorityHost:']) assert.ok(error.message.includes(name), name);
        return !error.message.includes('canary');
      },
    );
  });

  it('calls on behalf of its user', async () => {
    const forms: URLSearchParams[] = [];
    const http = async (_url: string, { body }: RequestInit) => {
      forms.push(body as URLSearchParams);
      return Response.json({ access_token: 'next', token_type: 'Bearer', expires_in: 60 });
    };
    const broker = { url: 'http://broker.test', assertion: async () => 'pod-token', http };
    const api = new ProtectedApi({ ...options, broker });
    const token = issuer.user();
    const { user } = await api.verify(ask(token));
    assert.ok(user);
    assert.equal(await api.onBehalfOf(user, 'https://graph.microsoft.com/User.Read'), 'next');
    assert.equal(forms[0]?.get('assertion'), token);
    await assert.rejects(new ProtectedApi(options).onBehalfOf(user, 'x'), ConfigError);
  });

  it('of another client is refused where clients are named', async () => {
    const api = new ProtectedApi({ ...options, allowedClients: [randomUUID()] });
    assert.equal((await refusal(api, ask(issuer.user()))).status, 401);
  });
});
