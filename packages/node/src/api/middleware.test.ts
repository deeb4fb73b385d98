import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import express from 'express';
import type { HttpClient } from '../core/http-client.ts';
import { type FakeIssuer, openIssuer } from '../core/keys/issuer.fake.ts';
import { openServer } from '../core/server.fake.ts';
import { bearer, handleFaults, onBehalfOf, requireAuthContext, requireRole, requireScope, userOf } from './api.ts';

describe('the middleware of an API', () => {
  let issuer: FakeIssuer;
  let server: Awaited<ReturnType<typeof openServer>>;
  let granted = { status: 200, json: {} as object };
  let traceparent: string | null;

  before(async () => {
    issuer = await openIssuer();
    const { tenant, audience, origin: authorityHost } = issuer;
    const http: HttpClient = async (_url, { headers }) => {
      traceparent = new Headers(headers).get('traceparent');
      return Response.json(granted.json, { status: granted.status });
    };
    const broker = { url: 'http://broker.test', assertion: async () => 'pod-token', http };
    const app = express();
    app.use(bearer({ tenant, audience, authorityHost, broker, resource: 'https://api.test' }));
    app.get('/hello', requireScope('access_as_user'), (req, res) => void res.json({ hello: userOf(req).name }));
    app.get('/user', (req, res) => void res.json((req as { user?: unknown }).user === userOf(req)));
    app.get('/reports', requireRole('Reports.Read'), (_req, res) => void res.json([]));
    app.get('/payroll', requireAuthContext('c1'), (_req, res) => void res.json([]));
    app.get('/next', async (req, res) => void res.json(await onBehalfOf(req, 'https://graph.microsoft.com/User.Read')));
    app.get('/broken', () => {
      throw new Error('canary');
    });
    app.use(handleFaults);
    server = await openServer(app);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const get = async (path: string, token?: string) => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const response = await fetch(server.origin + path, { headers });
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      body: await response.json(),
    };
  };

  it('lets a user with the scope pass, as req.user', async () => {
    assert.deepEqual((await get('/hello', issuer.user())).body, { hello: 'Alice' });
    assert.equal((await get('/user', issuer.user())).body, true);
  });

  it('answers what it refuses by itself', async () => {
    const metadata = 'resource_metadata="https://api.test/.well-known/oauth-protected-resource"';
    assert.deepEqual(await get('/hello'), {
      ...{ status: 401, challenge: `Bearer ${metadata}` },
      body: { error: 'invalid_token', error_description: 'A bearer token is needed.' },
    });
    const { status, challenge } = await get('/hello', issuer.user({ scp: 'other' }));
    assert.deepEqual(
      [status, challenge],
      [403, `Bearer error="insufficient_scope", scope="https://api.test/access_as_user", ${metadata}`],
    );
    assert.equal((await get('/reports', issuer.user())).status, 403);
    assert.equal((await get('/reports', issuer.app())).status, 200);
    assert.equal((await get('/payroll', issuer.user({ acrs: ['c1'] }))).status, 200);
    assert.match((await get('/payroll', issuer.user())).challenge ?? '', /insufficient_claims/);
  });

  it('publishes the metadata to who has no token', async () => {
    const { status, body } = await get('/.well-known/oauth-protected-resource');
    assert.deepEqual([status, (body as { resource: string }).resource], [200, 'https://api.test']);
  });

  it('refuses a request whose target is no address, as any without a token', async () => {
    const { tenant, audience, origin: authorityHost } = issuer;
    const guard = bearer({ tenant, audience, authorityHost, resource: 'https://api.test' });
    const plain = await openServer((req, res) => guard(req, res, () => res.end()));
    for (const path of ['//[', 'http://[', '//%', '*', '/hello']) {
      const asked = request(plain.origin, { path }).end();
      const [{ statusCode }] = (await once(asked, 'response')) as [IncomingMessage];
      assert.equal(statusCode, 401, path);
    }
    await plain[Symbol.asyncDispose]();
  });

  it('calls on behalf of the user, and tells the caller what the broker asks of the person', async () => {
    granted = { status: 200, json: { access_token: 'next', token_type: 'Bearer', expires_in: 60 } };
    assert.equal((await get('/next', issuer.user())).body, 'next');
    const asked = {
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      authorization: `Bearer ${issuer.user()}`,
    };
    await fetch(`${server.origin}/next`, { headers: asked });
    assert.match(`${traceparent}`, new RegExp(`^00-${'a'.repeat(32)}-`), 'within the trace of its caller');
    granted = { status: 400, json: { error: 'interaction_required', claims: '{"access_token":{}}' } };
    const { status, challenge } = await get('/next', issuer.user());
    assert.equal(status, 401);
    assert.match(challenge ?? '', /error="insufficient_claims", claims="\S+", resource_metadata=/);
    granted = { status: 400, json: { error: 'consent_required', scope: 'User.Read' } };
    const consent = await get('/next', issuer.user());
    assert.equal(consent.status, 403);
    assert.match(
      consent.challenge ?? '',
      /error="insufficient_scope", scope="https:\/\/api.test\/.default", resource_/,
    );
  });

  it('says nothing of the inside', async () => {
    const { status, body } = await get('/broken', issuer.user());
    assert.deepEqual([status, JSON.stringify(body).includes('canary')], [500, false]);
  });

  it('refuses to check a request that no token let pass', () => {
    const check = () => requireScope('x')({} as IncomingMessage, {} as ServerResponse, () => {});
    for (const use of [check, () => userOf({} as IncomingMessage)]) assert.throws(use, /bearer\(\) comes before this/);
  });
});
