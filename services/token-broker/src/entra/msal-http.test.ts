import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { INetworkModule } from '@azure/msal-node';
import { serve } from '@onbehalf/chassis/http/serve';
import { toFault } from '@onbehalf/node/core/fault';
import type { EntraClass } from './entra-errors.ts';
import { EntraHttpClient } from './msal-http.ts';
import { withoutNonce } from './without-nonce.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void;
const token = JSON.stringify({ access_token: 'canary', token_type: 'Bearer', expires_in: 3_600 });

/** A stub of Entra over real HTTP; counts what it is asked. */
async function open(handle: Handler, nowMs?: () => number) {
  await using opened = new AsyncDisposableStack();
  const asked: string[] = [];
  const server = await serve(
    (req, res) => {
      asked.push(`${req.method} ${req.url}`);
      req.resume();
      req.on('end', () => handle(req, res));
    },
    { port: 0, host: '127.0.0.1', drainMs: 0 },
  );
  opened.use(server);
  const network = opened.use(new EntraHttpClient(nowMs));
  const origin = `http://127.0.0.1:${server.port}`;
  const operation = (deadlineMs = 5_000, hideNonce?: boolean) =>
    network.operation('refresh_token', AbortSignal.timeout(deadlineMs), hideNonce);
  const disposal = opened.move();
  return {
    ...{ asked, origin, server, network, operation },
    /** Posts once as MSAL does; gives what the operation learnt. */
    async post(deadlineMs?: number, url = `${origin}/token`) {
      const { module, wire } = operation(deadlineMs);
      const response = await module.sendPostRequestAsync(url, { headers: {}, body: 'a=b' }).catch(() => undefined);
      return { response, wire };
    },
    get: (module: INetworkModule) => module.sendGetRequestAsync(`${origin}/discovery`),
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  };
}

const reply =
  (status: number, body: string, headers: Record<string, string> = {}): Handler =>
  (_req, res) =>
    void res.writeHead(status, headers).end(body);

describe('the network under MSAL', () => {
  it('gives a token response, and when its request left', async () => {
    let now = 1_000_000;
    await using entra = await open(
      (req, res) => {
        now += 5_000;
        reply(200, token, { 'x-ms-request-id': 'r' })(req, res);
      },
      () => now,
    );
    const { response, wire } = await entra.post();
    assert.deepEqual(response?.body, JSON.parse(token));
    assert.deepEqual([wire.sentAtMs, wire.requestId, wire.refusal], [1_000_000, 'r', undefined]);
  });

  it('posts what MSAL has it post', async () => {
    const seen: unknown[] = [];
    await using entra = await open((req, res) => {
      seen.push(req.method, req.headers['x-client-sku'], req.headers['content-length']);
      reply(200, token)(req, res);
    });
    const { module } = entra.operation();
    await module.sendPostRequestAsync(`${entra.origin}/token`, { headers: { 'x-client-sku': 'msal' }, body: 'a=b' });
    assert.deepEqual(seen, ['POST', 'msal', '3']);
  });

  it('hides the nonce of an ID token from MSAL alone, and only where it is told to', async () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const id_token = `${encode({ alg: 'RS256' })}.${encode({ sub: 'é', nonce: 'n' })}.signature`;
    const body = { ...JSON.parse(token), id_token };
    await using entra = await open(reply(200, JSON.stringify(body)));
    for (const hide of [true, false]) {
      const { module, wire } = entra.operation(5_000, hide);
      const response = await module.sendPostRequestAsync<typeof body>(`${entra.origin}/token`);
      assert.deepEqual(wire.token, body);
      const hidden = `${encode({ alg: 'RS256' })}.${encode({ sub: 'é' })}.signature`;
      assert.deepEqual(response.body, { ...body, id_token: hide ? hidden : id_token });
    }
    for (const odd of ['', 'x', 'a.b.c', `a.${encode([1])}.c`, 'a..c']) {
      assert.deepEqual(withoutNonce({ id_token: odd }), { id_token: odd });
    }
    assert.equal(withoutNonce(undefined), undefined);
  });

  const bodies = {
    '{}': '{}',
    HTML: '<html>no</html>',
    nothing: '',
    cut: token.slice(0, 20),
    '1 MB': `"${'x'.repeat(1_100_000)}"`,
  };
  for (const status of [200, 400, 429, 500, 503]) {
    for (const [what, body] of Object.entries(bodies)) {
      const expected: EntraClass = status === 429 && what !== '1 MB' ? 'throttled' : 'transient';
      it(`judges ${status} with ${what}: ${expected}, one POST, no token`, async () => {
        await using entra = await open(reply(status, body));
        const { response, wire } = await entra.post();
        assert.deepEqual([response, wire.token, wire.refusal?.class], [undefined, undefined, expected]);
        assert.equal(entra.asked.length, 1);
      });
    }
  }

  const hangs: [string, Handler][] = [
    ['never responds', () => {}],
    ['stops within its response', (_req, res) => void res.writeHead(200, { 'Content-Length': '100' }).write('{')],
  ];
  for (const [what, handle] of hangs) {
    it(`gives up at the deadline when Entra ${what}, after one POST`, async () => {
      await using entra = await open(handle);
      const startedAtMs = performance.now();
      const { wire } = await entra.post(300);
      const tookMs = performance.now() - startedAtMs;
      assert.ok(tookMs > 250 && tookMs < 1_500, `${tookMs} ms`);
      assert.equal(wire.refusal?.class, 'transient');
      assert.equal(entra.asked.length, 1);
    });
  }

  it('never posts twice once a connection stood: a code may be spent', async () => {
    await using entra = await open((req) => void req.socket.destroy());
    const { wire } = await entra.post();
    assert.equal(wire.refusal?.class, 'transient');
    assert.equal(entra.asked.length, 1);
  });

  it('tries a connection that never stood once more', async () => {
    await using entra = await open(reply(200, token));
    // A port where nobody listens until the first attempt has failed.
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const { port } = holder.address() as { port: number };
    await new Promise((resolve) => holder.close(resolve));
    const posting = entra.post(5_000, `http://127.0.0.1:${port}/token`);
    const late = await serve(reply(200, token), { port, host: '127.0.0.1', drainMs: 0 });
    const { response, wire } = await posting;
    await late[Symbol.asyncDispose]();
    assert.ok(response, String(wire.refusal?.class));
    const { wire: refused } = await entra.post(5_000, `http://127.0.0.1:${port}/token`);
    assert.equal(refused.refusal?.class, 'transient');
  });

  it('survives a server that closes idle connections', async () => {
    await using entra = await open(reply(200, token));
    for (let i = 0; i < 50; i += 1) {
      const { response } = await entra.post();
      assert.ok(response);
      entra.server.server.closeIdleConnections();
      await new Promise(setImmediate);
    }
    assert.equal(entra.asked.length, 50);
  });

  it('reads a discovery document once an hour, for all operations', async () => {
    let now = 1_800_000_000_000;
    await using entra = await open(reply(200, '{"issuer":"x"}'), () => now);
    for (let i = 0; i < 5; i += 1) await entra.get(entra.operation().module);
    assert.equal(entra.asked.length, 1);
    now += 3_600_001;
    await entra.get(entra.operation().module);
    assert.equal(entra.asked.length, 2);
  });

  const broken: [string, Handler, EntraClass][] = [
    ['503', reply(503, '{}'), 'transient'],
    ['500', reply(500, '{}'), 'transient'],
    ['300', reply(300, '{}'), 'configuration'],
    ['429', reply(429, '{}'), 'transient'],
    ['404', reply(404, '{}'), 'configuration'],
    ['200 with HTML', reply(200, '<html>sign in to the WiFi</html>'), 'transient'],
  ];
  for (const [what, handle, expected] of broken) {
    it(`does not remember a discovery response of ${what}`, async () => {
      await using entra = await open(handle);
      for (let i = 1; i <= 2; i += 1) {
        const { module, wire } = entra.operation();
        await assert.rejects(entra.get(module));
        assert.equal(wire.refusal?.class, expected);
        assert.equal(entra.asked.length, i);
      }
    });
  }

  it('knows where people sign in by the discovery document, and goes on knowing it while Entra is away', async () => {
    const at = 'https://login.example.com/elsewhere/authorize';
    const document = JSON.stringify({ authorization_endpoint: at });
    const state = { now: 0, handle: reply(503, '{}') };
    await using entra = await open(
      (req, res) => state.handle(req, res),
      () => state.now,
    );
    const ask = () => entra.network.authorizationEndpoint(`${entra.origin}/document`);
    const away = { code: 'unavailable', retryAfterSeconds: 2 };
    for (let i = 0; i < 3; i += 1) await assert.rejects(ask(), away);
    assert.equal(entra.asked.length, 1, 'anybody may ask: Entra is asked once in two seconds');
    state.now += 2_000;
    state.handle = reply(200, document);
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [at, at, at]);
    assert.equal(entra.asked.length, 2);
    state.now += 86_400_000;
    state.handle = reply(503, '{}');
    assert.equal(await ask(), at);
    assert.equal(entra.asked.length, 3);
  });

  it('names no place to sign in that is not of its tenant, or none at all', async () => {
    const issuer = 'https://accounts.example.com';
    const foreign = { issuer, jwks_uri: issuer, authorization_endpoint: issuer };
    const bad: [status: number, document: object][] = [
      [404, {}],
      [200, foreign],
      [200, { authorization_endpoint: 'javascript:canary' }],
      [200, {}],
    ];
    for (const [status, document] of bad) {
      await using entra = await open(reply(status, JSON.stringify(document)));
      const tenant = document === foreign ? 'organizations/v2.0/.well-known/openid-configuration' : 'document';
      const asking = entra.network.authorizationEndpoint(`${entra.origin}/${tenant}`);
      await assert.rejects(asking, (error) => toFault(error).code === 'server_error', JSON.stringify(document));
    }
  });

  it('takes a discovery document of the tenant that it asked for alone', async () => {
    const tid = '11111111-1111-4111-8111-111111111111';
    const issuers: [issuer: string, taken: boolean][] = [
      [`https://${tid}.ciamlogin.com/${tid}/v2.0`, true],
      ['https://accounts.example.com', false],
      ['https://login.microsoftonline.com/22222222-2222-4222-8222-222222222222/v2.0', false],
    ];
    for (const [issuer, taken] of issuers) {
      const document = JSON.stringify({ issuer, jwks_uri: 'https://keys.example.com', token_endpoint: 'https://t' });
      await using entra = await open(reply(200, document));
      const { module, wire } = entra.operation();
      const url = `${entra.origin}/${tid}/v2.0/.well-known/openid-configuration`;
      const response = await module.sendGetRequestAsync(url).catch(() => undefined);
      assert.deepEqual(
        [response !== undefined, wire.refusal?.class],
        [taken, taken ? undefined : 'configuration'],
        issuer,
      );
    }
  });
});
