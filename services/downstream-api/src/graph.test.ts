import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Serving, serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { claimsChallenge } from '@onbehalf/node/core/challenge';
import { rejection } from '@onbehalf/node/core/fault.fake';
import { says } from '@onbehalf/node/core/server.fake';
import { createGraph } from './graph.ts';

const log = createLogger({ level: 'silent', service: 'downstream-api' });
const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';

/** A Graph whose response a test sets. */
let respond: RequestListener;
let server: Serving;
let url: string;

beforeEach(async () => {
  server = await serve((req, res) => respond(req, res), { port: 0, host: '127.0.0.1', drainMs: 0 });
  url = `http://127.0.0.1:${server.port}`;
});
afterEach(() => server[Symbol.asyncDispose]());

describe('Graph', () => {
  const me = () => createGraph({ baseUrl: url, log }).me('graph-token');
  const alice = { displayName: 'Alice', userPrincipalName: 'alice', mail: null };

  it('is asked with its own token for the person’s profile, of which three fields are passed on', async () => {
    let seen: ServerResponse['req'] | undefined;
    respond = (req, res) => {
      seen = req;
      says(200, { ...alice, id: '1', jobTitle: 'x' })(req, res);
    };
    assert.deepEqual(await me(), alice);
    assert.deepEqual([seen?.url, seen?.headers.authorization], ['/v1.0/me', 'Bearer graph-token']);
  });

  it('passes its own challenge up: continuous access evaluation', async () => {
    const challenge = `Bearer realm="", authorization_uri="https://a.example/authorize", error="insufficient_claims", claims="${btoa(claims)}"`;
    respond = says(401, { error: { code: 'InvalidAuthenticationToken' } }, { 'WWW-Authenticate': challenge });
    const fault = await rejection(me());
    assert.deepEqual([fault.code, claimsChallenge(fault.challenge)], ['insufficient_claims', claims]);
    respond = says(401, '', { 'WWW-Authenticate': challenge });
    assert.equal((await rejection(me())).code, 'insufficient_claims');
  });

  for (const [status, code] of [
    [401, 'server_error'],
    [403, 'forbidden'],
    [404, 'server_error'],
    [429, 'unavailable'],
    [503, 'unavailable'],
  ] as const) {
    it(`that responds with ${status} makes ${code}`, async () => {
      respond = says(status, {});
      assert.equal((await rejection(me())).code, code);
    });
  }

  it('is not followed elsewhere', async () => {
    let elsewhere = false;
    respond = (req, res) => {
      elsewhere ||= req.url === '/elsewhere';
      says(302, '', { Location: '/elsewhere' })(req, res);
    };
    assert.equal((await rejection(me())).code, 'unavailable');
    assert.equal(elsewhere, false);
  });

  for (const status of [429, 503])
    it(`that responds with ${status} is away, and the log says by that status`, async () => {
      respond = says(status, {});
      const lines: { event?: string; reason?: string }[] = [];
      const heard = { write: (line: string) => void lines.push(JSON.parse(line)) };
      const told = createLogger({ level: 'info', service: 'downstream-api' }, heard);
      await rejection(createGraph({ baseUrl: url, log: told }).me('graph-token'));
      assert.deepEqual(
        lines.map(({ event, reason }) => [event, reason]),
        [['dependency.down', `HTTP_${status}`]],
      );
    });
});
