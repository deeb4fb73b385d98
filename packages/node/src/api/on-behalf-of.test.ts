import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BrokerClient } from '../broker/client.ts';
import { claimsChallenge } from '../core/challenge.ts';
import { rejection } from '../core/fault.fake.ts';
import type { Fault } from '../core/fault.ts';
import { Secret } from '../core/secret.ts';
import { openServer, says } from '../core/server.fake.ts';
import { newTraceId } from '../core/telemetry/trace-context.ts';
import { createOnBehalfOf } from './on-behalf-of.ts';

const userToken = new Secret('user-token');
const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const audience = 'a9100000-7e57-4000-8000-000000000021';

/** A broker whose response a test sets. */
let respond: RequestListener;
let server: Awaited<ReturnType<typeof openServer>>;
let url: string;

beforeEach(async () => {
  server = await openServer((req, res) => respond(req, res));
  url = server.origin;
});
afterEach(() => server[Symbol.asyncDispose]());

describe('on behalf of', () => {
  const ask = (traceId = newTraceId()) =>
    createOnBehalfOf({ broker: new BrokerClient({ url, assertion: async () => 'pod-token' }), api: audience })(
      userToken,
      'a b',
      traceId,
    );

  it('asks the broker by the jwt-bearer grant, within the caller’s trace', async () => {
    const traceId = newTraceId();
    let seen: { req: IncomingMessage; form: string } | undefined;
    respond = async (req, res) => {
      seen = { req, form: await text(req) };
      says(200, { access_token: 'graph-token', token_type: 'Bearer', expires_in: 3600 })(req, res);
    };
    assert.equal((await ask(traceId)).reveal(), 'graph-token');
    assert.equal(`${seen?.req.method} ${seen?.req.url}`, 'POST /oauth2/token');
    assert.equal(seen?.req.headers['content-type'], 'application/x-www-form-urlencoded;charset=UTF-8');
    assert.ok(seen?.req.headers.traceparent?.includes(traceId));
    assert.deepEqual(Object.fromEntries(new URLSearchParams(seen?.form)), {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: 'user-token',
      requested_token_use: 'on_behalf_of',
      scope: 'a b',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'pod-token',
    });
  });

  const invalid = 'Bearer error="invalid_token", error_description="The person has to sign in again."';
  const rows: [what: string, status: number, body: unknown, headers: Record<string, string>, expected: object][] = [
    ['interaction without claims', 400, { error: 'interaction_required' }, {}, { status: 401, challenge: invalid }],
    [
      'consent',
      400,
      { error: 'consent_required', scope: 'x' },
      {},
      { status: 403, challenge: `Bearer error="insufficient_scope", scope="${audience}/.default"` },
    ],
    ['a new sign-in', 400, { error: 'login_required' }, {}, { status: 401, challenge: invalid }],
    ['another token', 400, { error: 'invalid_grant' }, {}, { status: 401, challenge: invalid }],
    [
      'patience',
      429,
      { error: 'temporarily_unavailable' },
      { 'Retry-After': '17' },
      { status: 503, retryAfterSeconds: 17 },
    ],
    ['patience without saying how long', 503, 'busy', {}, { status: 503, retryAfterSeconds: 2 }],
    [
      'patience until a date',
      503,
      'busy',
      { 'Retry-After': 'Sun, 22 Nov 2020 17:00:00 GMT' },
      { status: 503, retryAfterSeconds: 1 },
    ],
    ['patience, as a proxy before it says it', 502, '<html>', {}, { status: 503, retryAfterSeconds: 2 }],
    [
      'nothing it could give: we are the wrong client',
      401,
      { error: 'invalid_client' },
      {},
      { status: 500, challenge: undefined },
    ],
    ['nothing it could give: the scope is not ours', 400, { error: 'invalid_scope' }, {}, { status: 500 }],
    ['nothing it could give: it is broken', 500, { error: 'server_error' }, {}, { status: 500 }],
  ];
  for (const [what, status, body, headers, expected] of rows) {
    it(`tells the caller when the broker asks for ${what}`, async () => {
      respond = says(status, body, headers);
      const fault = await rejection(ask());
      for (const [name, value] of Object.entries(expected)) assert.equal(fault[name as keyof Fault], value);
    });
  }

  it('hands the claims that the person must satisfy to the caller', async () => {
    respond = says(400, { error: 'interaction_required', suberror: 'basic_action', claims });
    const fault = await rejection(ask());
    assert.deepEqual([fault.code, claimsChallenge(fault.challenge)], ['insufficient_claims', claims]);
  });

  it('is unavailable while the broker does not listen', async () => {
    await server[Symbol.asyncDispose]();
    const fault = await rejection(ask());
    assert.deepEqual([fault.code, fault.retryAfterSeconds], ['unavailable', 2]);
    server = await openServer(respond);
  });

  it('asks once more if the connection breaks, and then no more', async () => {
    let asked = 0;
    respond = (req, res) => {
      asked += 1;
      if (asked === 1) req.socket.destroy();
      else says(200, { access_token: 'graph-token', token_type: 'Bearer', expires_in: 60 })(req, res);
    };
    assert.equal((await ask()).reveal(), 'graph-token');
    asked = 0;
    respond = (req) => {
      asked += 1;
      req.socket.destroy();
    };
    assert.equal((await rejection(ask())).code, 'unavailable');
    assert.equal(asked, 2);
  });

  it('gives up after nine seconds of silence', async (t) => {
    const asked: number[] = [];
    const controller = new AbortController();
    t.mock.method(AbortSignal, 'timeout', (ms: number) => {
      asked.push(ms);
      return controller.signal;
    });
    respond = () => controller.abort(new DOMException('x', 'TimeoutError'));
    const fault = await rejection(ask());
    assert.deepEqual([fault.code, asked], ['unavailable', [9_000]]);
  });

  for (const body of ['<html>', {}, { access_token: '' }, { error: 'canary canary' }, []]) {
    it(`accepts no response like ${JSON.stringify(body)}`, async () => {
      for (const status of [200, 400]) {
        respond = says(status, body);
        const fault = await rejection(ask());
        // What is no JSON came from something between the broker and us.
        assert.equal(fault.code, body === '<html>' ? 'unavailable' : 'server_error');
        assert.ok(!fault.message.includes('canary'));
      }
    });
  }
});
