import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { streamCheckMs } from '../lifetimes.ts';
import { publicBaseUrl } from '../testbed.fake.ts';
import { cookieOf, openFront, openUpstream, sayAllLive, upgrade } from './upstream.fake.ts';

const origin = publicBaseUrl;

describe('a WebSocket to an app', () => {
  it('opens for our own page and carries bytes both ways, without our cookies', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url, { pass: 'token', api: 'orders' });
    const headers = { origin, cookie: `theme=dark; ${cookieOf(front.person)}`, authorization: 'Bearer forged' };
    const { response, socket } = await upgrade(front.port, headers);
    assert.deepEqual([response.statusCode, response.headers['sec-websocket-accept']], [101, 'x']);
    socket?.write('hello');
    assert.equal(String((await once(socket as never, 'data'))[0]), 'hello');
    const [seen] = app.requests;
    assert.equal(seen?.headers.cookie, 'theme=dark');
    assert.equal(seen?.headers.authorization, 'Bearer at-plain');
    assert.equal(seen?.headers['sec-websocket-key'], 'dGhlIHNhbXBsZSBub25jZQ==');
    socket?.destroy();
  });

  const refused: [what: string, headers: (cookie: string) => Record<string, string>, status: number][] = [
    ['without a session', () => ({ origin }), 401],
    ['from a page of somebody else', (cookie) => ({ cookie, origin: 'https://evil.example' }), 403],
    ['from a page of our domain on another port', (cookie) => ({ cookie, origin: 'http://localhost:3001' }), 403],
    ['from a page without an origin of its own', (cookie) => ({ cookie, origin: 'null' }), 403],
    ['that does not say whose page it is', (cookie) => ({ cookie }), 403],
    ['that has been here before', (cookie) => ({ cookie, origin, 'cdn-loop': 'onbehalf-web-frontend' }), 502],
  ];
  for (const [what, headers, status] of refused) {
    it(`is refused ${what}`, async () => {
      await using app = await openUpstream();
      await using front = await openFront(app.url);
      const { response } = await upgrade(front.port, headers(cookieOf(front.person)));
      assert.equal(response.statusCode, status);
      const body = JSON.parse(await text(response));
      if (status === 401) assert.deepEqual([body.error, body.sign_in], ['login_required', '/sign-in']);
      assert.equal(app.requests.length, 0);
    });
  }

  it('opens for anybody where everybody may come, but for no page of somebody else', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url, { require: 'none' });
    const { response, socket } = await upgrade(front.port);
    assert.equal(response.statusCode, 101);
    socket?.destroy();
    const foreign = await upgrade(front.port, { origin: 'https://evil.example' });
    assert.equal(foreign.response.statusCode, 403);
  });

  it('is a 503 with the wait where the app is away, and another response of the app where it wants none', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url);
    const headers = { origin, cookie: cookieOf(front.person) };
    app.server.removeAllListeners('upgrade');
    const unwanted = await upgrade(front.port, headers);
    assert.deepEqual([unwanted.response.statusCode, await text(unwanted.response)], [200, 'here']);
    await app[Symbol.asyncDispose]();
    const { response } = await upgrade(front.port, headers);
    assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '2']);
    assert.equal(JSON.parse(await text(response)).error, 'temporarily_unavailable');
  });

  for (const where of ['here', 'everywhere']) {
    it(`ends at once with a sign-out ${where}, not by the next look`, async () => {
      await using app = await openUpstream();
      await using front = await openFront(app.url);
      const { socket } = await upgrade(front.port, { origin, cookie: cookieOf(front.person) });
      sayAllLive(front);
      const closed = once(socket as never, 'close');
      await front.person.submit('/sign-out', { where });
      await closed;
    });
  }

  it('ends by the next look, within seconds, with an end elsewhere, but by no outage', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      await using app = await openUpstream();
      await using front = await openFront(app.url);
      const { socket } = await upgrade(front.port, { origin, cookie: cookieOf(front.person) });
      const closed = once(socket as never, 'close');
      const look = () => {
        front.clock.nowMs += streamCheckMs;
        mock.timers.tick(streamCheckMs);
      };
      front.broker.down = true;
      const asked = front.broker.connected();
      look();
      await asked;
      front.broker.down = false;
      socket?.write('still there');
      assert.equal(String((await once(socket as never, 'data'))[0]), 'still there');
      front.broker.sessions.clear();
      // The breaker lets the next call through after a second of ours.
      let open = true;
      void closed.then(() => {
        open = false;
      });
      while (open) {
        look();
        await delay(20);
      }
    } finally {
      mock.timers.reset();
    }
  });

  it('ends both sides when one ends, and when neither says anything for its time', async () => {
    await using app = await openUpstream();
    await using front = await openFront(app.url, { idleSeconds: 1 });
    const headers = { origin, cookie: cookieOf(front.person) };
    const first = await upgrade(front.port, headers);
    const [behind] = app.sockets;
    behind?.destroy();
    await once(first.socket as never, 'close');
    const second = await upgrade(front.port, headers);
    await once(second.socket as never, 'close');
  });
});
