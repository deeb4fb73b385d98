import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { ProtectedApi } from '@onbehalf/node/api';
import { insufficientClaims } from '@onbehalf/node/core/challenge';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { createApp } from './app.ts';

const logger = createLogger({ level: 'silent', service: 'downstream-api' });
const stepUp = Buffer.from('{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').toString('base64');

describe('downstream-api', () => {
  let issuer: FakeIssuer;
  let server: Serving;
  let graphResponse: () => Promise<{ displayName: string; userPrincipalName: string }>;

  before(async () => {
    issuer = await openIssuer();
    const { origin: authorityHost, audience, tenant, client } = issuer;
    const granted = { access_token: 'graph-token', token_type: 'Bearer', expires_in: 60 };
    const http = async () => Response.json(granted);
    const broker = { url: 'http://broker.test', assertion: async () => 'unused', http };
    const api = new ProtectedApi({ authorityHost, audience, tenant, allowedClients: [client], broker });
    const graph = { me: () => graphResponse() };
    server = await serve(createApp({ api, graph, graphScope: 'User.Read', logger }), {
      port: 0,
      host: '127.0.0.1',
      drainMs: 0,
    });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const get = async (path: string, token: string, init: RequestInit = {}) => {
    const headers = { Authorization: `Bearer ${token}` };
    const res = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers, ...init });
    const text = await res.text();
    return { status: res.status, headers: res.headers, text, body: text && JSON.parse(text) };
  };

  it('tells a user who they are, and no cache', async () => {
    const { status, headers, body } = await get('/whoami', issuer.user({ oid: 'the-user' }));
    assert.equal(status, 200);
    assert.deepEqual(body, {
      name: 'Alice',
      username: 'alice@contoso.test',
      object_id: 'the-user',
      tenant_id: issuer.tenant,
      client_id: issuer.client,
      scopes: ['access_as_user'],
    });
    assert.equal(headers.get('cache-control'), 'no-store');
  });

  it('responds with what Graph says of the person', async () => {
    graphResponse = async () => ({ displayName: 'Alice A.', userPrincipalName: 'alice@contoso.test' });
    const { status, body } = await get('/graph/me', issuer.user());
    assert.equal(status, 200);
    assert.equal(body.displayName, 'Alice A.');
  });

  it('passes a challenge from further down up to the caller', async () => {
    graphResponse = async () => {
      throw insufficientClaims('{"access_token":{"nbf":{"essential":true,"value":"1"}}}');
    };
    const { status, headers } = await get('/graph/me', issuer.user());
    assert.equal(status, 401);
    assert.match(headers.get('www-authenticate') ?? '', /^Bearer error="insufficient_claims", claims="[\w+/]+=*"$/);
  });

  it('asks for step-up before it shows a pay slip', async () => {
    const refused = await get('/payroll', issuer.user());
    assert.equal(refused.status, 401);
    assert.equal(refused.body.error, 'insufficient_claims');
    const challenge = `Bearer error="insufficient_claims", claims="${stepUp}"`;
    assert.equal(refused.headers.get('www-authenticate'), challenge);
    assert.equal((await get('/payroll', issuer.user({ acrs: ['c1'] }))).status, 200);
  });

  it('shows reports to an app with the role', async () => {
    const { status, body } = await get('/reports', issuer.app());
    assert.equal(status, 200);
    assert.equal(body.client_id, issuer.client);
  });

  it('responds to HEAD without a body', async () => {
    const headers = { Authorization: `Bearer ${issuer.user()}` };
    const { status, text } = await get('/whoami', '', { method: 'HEAD', headers });
    assert.deepEqual([status, text], [200, '']);
  });

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    it(`refuses ${method} and says what is allowed`, async () => {
      const { status, headers, body } = await get('/whoami', issuer.user(), { method });
      assert.equal(status, 405);
      assert.equal(headers.get('allow'), 'GET, HEAD');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(body.error, 'method_not_allowed');
    });
  }

  it('knows no other address', async () => {
    assert.equal((await get('/%zz', issuer.user())).status, 404);
    assert.equal((await get('/whoami/../admin', issuer.user())).status, 404);
  });
});
