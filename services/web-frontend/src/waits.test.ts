import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { openTestbed, signIn, type Testbed } from './testbed.fake.ts';

const withinMs = 10_000;

async function timed<T>(work: Promise<T>): Promise<[T, ms: number]> {
  const startedAtMs = performance.now();
  return [await work, performance.now() - startedAtMs];
}

/** An API that does as it likes. */
async function openApi(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    apis: () => ({
      orders: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, scopes: ['api://orders/x'] },
    }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const drips: RequestListener = (_req, res) => {
  res.writeHead(200, { 'content-type': 'text/plain' });
  const timer = setInterval(() => res.write('.'), 200);
  res.once('close', () => clearInterval(timer));
};

/** Who hangs behind a page, and what the page says. */
const hanging: [who: string, hang: (testbed: Testbed) => void, title: RegExp][] = [
  [
    'the broker',
    (testbed) => {
      testbed.broker.hangs = true;
    },
    /<h1>Sign-in service is unavailable<\/h1>/,
  ],
  [
    'the API',
    (testbed) => {
      testbed.api.hangs = true;
    },
    /<h1>The service behind this page cannot be reached<\/h1>/,
  ],
];

describe('a page', { concurrency: true }, () => {
  for (const [who, hang, title] of hanging) {
    it(`responds in ten seconds where ${who} hangs, and says when to try again`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      hang(testbed);
      const [{ status, body, headers, setCookies }, ms] = await timed(browser.send('/whoami'));
      assert.deepEqual([status, headers.get('retry-after'), setCookies], [503, '2', []]);
      assert.match(body, title);
      assert.match(body, /Try again in 2 seconds\./);
      assert.ok(ms < withinMs, `${ms} ms`);
    });
  }

  it('responds in ten seconds where the API never ends its response', async () => {
    await using api = await openApi(drips);
    await using testbed = await openTestbed(api);
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const [{ status, body }, ms] = await timed(browser.send('/whoami'));
    assert.equal(status, 503);
    assert.match(body, /<h1>The service behind this page broke off<\/h1>/);
    assert.ok(ms < withinMs, `${ms} ms`);
  });
});

describe('a script that says how long it waits', { concurrency: true }, () => {
  const prefer = { headers: { prefer: 'respond-async, wait=1' } };

  for (const [who, hang] of hanging) {
    it(`learns by then that there is no response yet where ${who} hangs`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      hang(testbed);
      const [{ status, body }, ms] = await timed(browser.script('/api/orders/x', prefer));
      assert.deepEqual([status, JSON.parse(body).retry_after], [503, 2]);
      assert.ok(ms >= 990 && ms < 3_000, `${ms} ms`);
    });
  }

  it('gets all of a response that has begun by then', async () => {
    await using api = await openApi((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' }).write('begun ');
      setTimeout(() => res.end('ended'), 1_500);
    });
    await using testbed = await openTestbed(api);
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const { status, body } = await browser.script('/api/orders/x', prefer);
    assert.deepEqual([status, body], [200, 'begun ended']);
  });
});
