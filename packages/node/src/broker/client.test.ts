import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unavailable } from '../core/http-client.ts';
import { BrokerClient } from './client.ts';

type Reply = { status?: number; json?: unknown; headers?: Record<string, string>; text?: string };

/** A client whose broker responds so, and the last request that it sent. */
function open({ status = 200, json, headers = {}, text }: Reply) {
  const sent: { path: string; form: Record<string, string>; traceparent: string | null }[] = [];
  const http = async (url: string, init: RequestInit) => {
    const traceparent = new Headers(init.headers).get('traceparent');
    sent.push({ path: new URL(url).pathname, form: Object.fromEntries(init.body as URLSearchParams), traceparent });
    return text === undefined ? Response.json(json, { status, headers }) : new Response(text, { status, headers });
  };
  const client = new BrokerClient({ url: 'http://broker.test/', assertion: async () => 'pod-token', http });
  return { client, sent };
}

const token = { access_token: 'at', token_type: 'Bearer', expires_in: 60 };
const traceId = 'a'.repeat(32);
const audit = '2f2ae0b4-1111-4222-8333-444455556666';
const ourselves = {
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: 'pod-token',
};

describe('the client of the broker', () => {
  const grant = (name: string) => `urn:ietf:params:oauth:grant-type:${name}`;
  const asks: [
    what: string,
    ask: (client: BrokerClient) => Promise<unknown>,
    path: string,
    form: object,
    json?: object,
  ][] = [
    [
      'exchanges a session, with claims',
      (client) => client.exchange({ sessionToken: 's', scopes: ['a', 'b'], claims: '{}', traceId }),
      '/oauth2/token',
      {
        ...{ grant_type: grant('token-exchange'), subject_token: 's', scope: 'a b', claims: '{}' },
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
    ],
    [
      'acts on behalf of a user',
      (client) => client.onBehalfOf({ userToken: 'u', scopes: ['a'], traceId }),
      '/oauth2/token',
      { grant_type: grant('jwt-bearer'), assertion: 'u', requested_token_use: 'on_behalf_of', scope: 'a' },
    ],
    [
      'begins a process for another client',
      (client) => client.startProcess({ sessionToken: 's', scopes: ['a', 'b'], client: 'nightly', traceId }),
      '/oauth2/token',
      {
        ...{ grant_type: grant('token-exchange'), subject_token: 's', scope: 'a b', audience: 'nightly' },
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
      },
    ],
    [
      'acts for the person of a process, in all its scopes',
      (client) => client.processToken({ processToken: 'p', traceId }),
      '/oauth2/token',
      { grant_type: 'refresh_token', refresh_token: 'p', scope: '' },
    ],
    [
      'lists processes',
      (client) => client.listProcesses('s', traceId),
      '/processes/list',
      { subject_token: 's' },
      { processes: [] },
    ],
    [
      'acts for itself',
      (client) => client.appToken({ scopes: ['a/.default'], traceId }),
      '/oauth2/token',
      { grant_type: 'client_credentials', scope: 'a/.default' },
    ],
    [
      'acts for an agent itself',
      (client) => client.appToken({ scopes: ['a/.default'], agent: 'g', traceId }),
      '/oauth2/token',
      { grant_type: 'client_credentials', scope: 'a/.default', agent: 'g' },
    ],
    [
      'acts on behalf of a user through an agent',
      (client) => client.onBehalfOf({ userToken: 'u', scopes: ['a'], agent: 'g', traceId }),
      '/oauth2/token',
      { grant_type: grant('jwt-bearer'), assertion: 'u', requested_token_use: 'on_behalf_of', scope: 'a', agent: 'g' },
    ],
    [
      "acts as an agent's user by name",
      (client) => client.agentUser({ scopes: ['a'], agent: 'g', username: 'n', traceId }),
      '/oauth2/token',
      { grant_type: 'user_fic', username: 'n', scope: 'a', agent: 'g' },
    ],
    [
      "acts as an agent's user by id",
      (client) => client.agentUser({ scopes: ['a'], agent: 'g', userId: 'i', traceId }),
      '/oauth2/token',
      { grant_type: 'user_fic', user_id: 'i', scope: 'a', agent: 'g' },
    ],
    [
      'looks at a session',
      (client) => client.introspect('s', traceId),
      '/oauth2/introspect',
      { token: 's' },
      { active: false },
    ],
    [
      'ends a session',
      (client) => client.revoke('s', traceId),
      '/oauth2/revoke',
      { token: 's', reason: 'sign_out' },
      {},
    ],
    [
      'ends all sessions of a person',
      (client) => client.revokeEverywhere('s', traceId),
      '/sessions/end',
      { subject_token: 's' },
      { ended: 2 },
    ],
    [
      'ends the sessions of one at Entra',
      (client) => client.endBySid({ sid: 'x', iss: 'https://i' }, traceId),
      '/sessions/end',
      { sid: 'x', iss: 'https://i' },
      { ended: 1 },
    ],
  ];
  for (const [what, ask, path, form, json = token] of asks) {
    it(`${what}, in the trace of its caller`, async () => {
      const { client, sent } = open({ json });
      await ask(client);
      assert.deepEqual(sent[0]?.form, { ...form, ...ourselves });
      assert.equal(sent[0]?.path, path);
      assert.ok(sent[0]?.traceparent?.includes(traceId));
    });
  }

  const results: [what: string, response: Reply, result: object][] = [
    ['a token', { json: token }, { kind: 'token', accessToken: 'at', expiresInSeconds: 60 }],
    [
      'claims to satisfy',
      { status: 400, json: { error: 'interaction_required', claims: '{}' } },
      { kind: 'interaction_required', claims: '{}' },
    ],
    [
      'consent to what the broker names',
      { status: 400, json: { error: 'consent_required', scope: 'x y' } },
      { kind: 'consent_required', scopes: ['x', 'y'], adminOnly: false },
    ],
    [
      'an administrator’s consent to what was asked for',
      { status: 400, json: { error: 'consent_required', error_codes: [90_094], correlation_id: audit } },
      { kind: 'consent_required', scopes: ['a'], adminOnly: true, errorCodes: [90_094], correlationId: audit },
    ],
    ['a new sign-in', { status: 400, json: { error: 'login_required' } }, { kind: 'login_required' }],
    ['the end of the session', { status: 400, json: { error: 'invalid_grant' } }, { kind: 'ended' }],
    [
      'patience with us',
      { status: 429, json: {}, headers: { 'Retry-After': '7' } },
      { kind: 'throttled', retryAfterSeconds: 7 },
    ],
    ['patience', { status: 503, json: {} }, { kind: 'unavailable', retryAfterSeconds: 2 }],
    [
      'a wrong registration',
      { status: 400, json: { error: 'invalid_scope' } },
      { kind: 'refused', error: 'invalid_scope' },
    ],
    ['its own fault', { status: 500, json: {} }, { kind: 'refused', error: 'server_error' }],
    ['what is no response of it', { json: { access_token: '' } }, { kind: 'refused', error: 'unreadable' }],
    [
      'text of somebody in place of a word',
      { status: 400, json: { error: 'a Canary' } },
      { kind: 'refused', error: 'unreadable' },
    ],
    ['a page of a proxy', { text: '<html>' }, { kind: 'unavailable', retryAfterSeconds: 2 }],
  ];
  for (const [what, response, result] of results) {
    it(`gives as a value: ${what}`, async () => {
      const { cause: _, ...given } = (await open(response).client.appToken({ scopes: ['a'] })) as { cause?: unknown };
      assert.deepEqual(given, result);
    });
  }

  it('gives as a value that the broker cannot be reached, or that the assertion cannot be read', async () => {
    const http = async () => {
      throw unavailable(new Error('away'));
    };
    const away = new BrokerClient({ url: 'http://broker.test', assertion: async () => 'pod-token', http });
    assert.equal((await away.revoke('s')).kind, 'unavailable');
    const nobody = new BrokerClient({ url: 'http://broker.test', assertion: '/no/such/file', http });
    assert.deepEqual((await nobody.introspect('s')).kind, 'refused');
  });

  it('tells how long a session lives', async () => {
    const json = { active: true, iat: 1, idle_exp: 2, absolute_exp: 3 };
    const living = { kind: 'active', createdAt: 1, idleEndsAt: 2, endsAt: 3 };
    assert.deepEqual(await open({ json }).client.introspect('s'), living);
    assert.deepEqual(await open({ json: { active: false } }).client.introspect('s'), { kind: 'ended' });
  });

  const begun: [what: string, response: Reply, result: object][] = [
    [
      'its token',
      { json: { access_token: 'process.x', token_type: 'N_A', expires_in: 9 } },
      { kind: 'process', processToken: 'process.x', expiresInSeconds: 9 },
    ],
    ['the end of the session', { status: 400, json: { error: 'invalid_grant' } }, { kind: 'ended' }],
    [
      'that it may not',
      { status: 400, json: { error: 'unauthorized_client' } },
      { kind: 'refused', error: 'unauthorized_client' },
    ],
    ['what it cannot read', { status: 400, json: 'x' }, { kind: 'refused', error: 'unreadable' }],
  ];
  for (const [what, response, result] of begun) {
    it(`is told of a process that it asks for: ${what}`, async () => {
      const { cause: _, ...told } = (await open(response).client.startProcess({ sessionToken: 's', scopes: [] })) as {
        cause?: unknown;
      };
      assert.deepEqual(told, result);
    });
  }

  it('lists who has processes, for what and until when', async () => {
    const json = { processes: [{ client_id: 'nightly', started_by: 'web', scope: 'a b', iat: 1, exp: 2 }] };
    assert.deepEqual(await open({ json }).client.listProcesses('s'), {
      kind: 'processes',
      processes: [{ client: 'nightly', startedBy: 'web', scopes: ['a', 'b'], createdAt: 1, endsAt: 2 }],
    });
  });
});
