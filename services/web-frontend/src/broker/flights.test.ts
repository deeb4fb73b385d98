import assert from 'node:assert/strict';
import { get as httpGet } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { serve } from '@onbehalf/chassis/http/serve';
import { observed } from '@onbehalf/chassis/telemetry/server-span';
import { keepSpans } from '@onbehalf/node/core/telemetry/spans.fake';
import { Broker } from '@onbehalf/node/web/broker/broker';
import { openTestbed, signIn } from '../testbed.fake.ts';

const spans = keepSpans();
const traceId = 'a'.repeat(32);
const alices = { token: 'alice', scopes: ['read'] };

/** The broker's client before a wire on which each call waits for a response by hand. */
function openWire() {
  const calls: { form: URLSearchParams; respond(status: number, json: object): void }[] = [];
  const http = (_url: string, { body }: RequestInit) =>
    new Promise<Response>((resolve) => {
      const respond = (status: number, json: object) => resolve(Response.json(json, { status }));
      calls.push({ form: new URLSearchParams(String(body)), respond });
    });
  const broker = new Broker({ url: 'http://broker.test', http, assertion: async () => 'our-assertion' });
  const sent = async (count: number) => {
    while (calls.length < count) await new Promise(setImmediate);
    return calls[count - 1] as (typeof calls)[number];
  };
  return { broker, calls, sent };
}

const token = (value: string) => ({ access_token: value, token_type: 'Bearer' });

describe('equal exchanges of a session at once', () => {
  it('are one for three hundred, and the next begins anew', async () => {
    const { broker, calls, sent } = openWire();
    const asking = Array.from({ length: 300 }, () => broker.exchange(alices, traceId));
    (await sent(1)).respond(200, token('t1'));
    const acquired = await Promise.all(asking);
    assert.ok(acquired.every((one) => one.kind === 'token' && one.accessToken === 't1'));
    assert.equal(calls.length, 1);
    const later = broker.exchange(alices, traceId);
    (await sent(2)).respond(200, token('t2'));
    assert.deepEqual(await later, { kind: 'token', accessToken: 't2' });
  });

  it('are apart by session, scopes and claims, however these are written', async () => {
    const { broker, sent } = openWire();
    const different = [
      alices,
      { token: 'bob', scopes: ['read'] },
      { token: 'alice', scopes: ['read', 'write'] },
      { token: 'alice', scopes: ['read'], claims: '{}' },
      { token: 'alice', scopes: ['read'], claims: '' },
      { token: 'alice","read', scopes: [] },
      { token: 'alice read', scopes: [''] },
      { token: 'alice', scopes: ['read","{}'] },
    ];
    const asking = different.map((asked) => broker.exchange(asked, traceId));
    for (const [index] of different.entries()) (await sent(index + 1)).respond(200, token(`t${index}`));
    assert.deepEqual(
      await Promise.all(asking),
      different.map((_, index) => ({ kind: 'token', accessToken: `t${index}` })),
    );
  });

  it('fail together, and a failure is not kept', async () => {
    const { broker, calls, sent } = openWire();
    const asking = [broker.exchange(alices, traceId), broker.exchange(alices, traceId)];
    (await sent(1)).respond(503, {});
    for (const one of asking) await assert.rejects(one, { code: 'unavailable' });
    const later = broker.exchange(alices, traceId);
    (await sent(2)).respond(400, { error: 'invalid_grant' });
    assert.deepEqual(await later, { kind: 'ended' });
    assert.equal(calls.length, 2);
  });

  for (const end of ['revoke', 'revokeEverywhere'] as const) {
    it(`are not joined once the session was ended: ${end}`, async () => {
      const { broker, sent } = openWire();
      const before = broker.exchange(alices, traceId);
      const bobs = broker.exchange({ ...alices, token: 'bob' }, traceId);
      const [beforeCall, bobsCall] = [await sent(1), await sent(2)];
      const ending = broker[end]('alice', traceId);
      (await sent(3)).respond(200, { ended: 1 });
      await ending;
      const after = broker.exchange(alices, traceId);
      const afterCall = await sent(4);
      const joined = broker.exchange({ ...alices, token: 'bob' }, traceId);
      beforeCall.respond(200, token('before'));
      bobsCall.respond(200, token('bob'));
      await before;
      // The flight that ended must not take the later one of the same name with it.
      const together = broker.exchange(alices, traceId);
      afterCall.respond(400, { error: 'invalid_grant' });
      assert.deepEqual(await Promise.all([after, together]), [{ kind: 'ended' }, { kind: 'ended' }]);
      assert.deepEqual(await Promise.all([bobs, joined]).then(([one, other]) => one === other), true, "bob's goes on");
    });
  }

  it('are in the trace of the first, and the others are linked to it', async () => {
    const { broker, sent } = openWire();
    const handler = observed((_req, res) => void broker.exchange(alices, traceId).then(() => res.end()));
    await using server = await serve(handler, { port: 0, host: '127.0.0.1', drainMs: 0 });
    spans.take();
    const ask = () =>
      new Promise((done, fail) =>
        httpGet({ port: server.port, agent: false }, (res) => done(text(res))).on('error', fail),
      );
    const first = ask();
    const call = await sent(1);
    const arrived = new Promise((resolve) => server.server.once('request', resolve));
    const second = ask();
    await arrived;
    call.respond(200, token('t'));
    await Promise.all([first, second]);
    const served = await ended(2);
    const [leader, follower] = served.toSorted((one, other) => one.links.length - other.links.length);
    assert.notEqual(leader?.spanContext().traceId, follower?.spanContext().traceId);
    assert.deepEqual(
      follower?.links.map(({ context }) => context.traceId),
      [leader?.spanContext().traceId],
    );
  });
});

/** The server spans, once so many have ended. */
async function ended(count: number) {
  const all: ReturnType<typeof spans.take> = [];
  while (all.length < count) {
    await new Promise(setImmediate);
    all.push(...spans.take().filter(({ kind }) => kind === 1));
  }
  return all;
}

describe('too many requests', () => {
  it('are named as what they are: of an API, or to sign in', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    await signIn(testbed, browser);
    testbed.broker.responses.set('/oauth2/token', () => ({ status: 429, headers: { 'retry-after': '3' } }));
    const { status, headers, body } = await browser.script('/api/orders/x');
    assert.deepEqual([status, headers.get('retry-after')], [429, '3']);
    assert.match(JSON.parse(body).error_description, /^Too many requests at once/);
    assert.doesNotMatch(body, /sign/i);
    const { location } = await browser.send('/sign-in');
    const back = await browser.send(`/auth/callback?${testbed.visit(location)}`);
    assert.deepEqual([back.status, /too many sign-in requests/.test(back.body)], [429, true]);
    testbed.broker.responses.set('/oauth2/token', () => ({ status: 429, headers: { 'retry-after': '-5' } }));
    assert.equal((await browser.script('/api/orders/x')).headers.get('retry-after'), '1', 'never less than a second');
  });
});
