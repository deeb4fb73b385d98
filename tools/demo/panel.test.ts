import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../test/kit/system/system.ts';
import type { Outage } from './outages.ts';
import { Panel } from './panel.ts';

const numbers: number[] = [];

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!(await condition())) assert.ok(performance.now() < endMs, 'it did not become so');
}

const outages: Outage[] = [
  {
    ...{ id: 'good', title: 'Good', watch: 'this', must: 'It goes on.', number: { label: 'N', usual: 7 } },
    run: async (_stage, number) => `ran with ${numbers.push(number) && number}`,
  },
  {
    ...{ id: 'bad', title: 'Bad', watch: 'that', must: 'It goes on.' },
    run: () => Promise.reject(new Error('it <stopped>')),
  },
];
const system = {
  calls: async () => 1,
  brokers: [{ admin: 'http://127.0.0.1:1' }],
  web: 'http://localhost:3000',
  viewerUrl: undefined,
};

describe('the panel "Break it"', () => {
  const panel = new Panel(system as unknown as System, outages);
  let url = '';
  before(async () => {
    url = await panel.listen(0);
  });
  after(() => panel[Symbol.asyncDispose]());

  /** As whoever is there sends it, also what no browser lets a page send. */
  async function send(path: string, headers: Record<string, string> = {}, method = 'GET', body = '') {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string; policy: string }>();
    const { port } = new URL(url);
    const req = request({ host: '127.0.0.1', port, path, method, headers: { host: `localhost:${port}`, ...headers } });
    req.once('error', reject).once('response', async (res) => {
      const policy = String(res.headers['content-security-policy']);
      resolve({ status: res.statusCode ?? 0, body: await text(res), policy });
    });
    req.end(body);
    return await promise;
  }
  const press = (id: string, body = '', origin = url) => send(`/break/${id}`, { origin }, 'POST', body);

  it('shows what to watch, what must happen, and how many calls Entra saw', async () => {
    const { status, body, policy } = await send('/');
    assert.equal(status, 200);
    assert.match(body, /Entra calls: 1/);
    assert.match(body, /Watch this\.[\s\S]*Must happen: It goes on\./);
    assert.doesNotMatch(body, /<script/);
    assert.match(policy, /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/);
  });

  it('runs an outage with its number, and shows what did, and what did not', async () => {
    assert.equal((await press('good', 'number=12')).status, 303);
    await until(async () => /Did: ran with 12[\s\S]*Tokens: 0 from/.test((await send('/')).body));
    assert.equal((await press('bad')).status, 303);
    await until(async () => /Did not: it &lt;stopped&gt;/.test((await send('/')).body));
    assert.equal((await press('good', 'number=much')).status, 400);
    assert.deepEqual(numbers, [12]);
  });

  const strangers: [who: string, headers: Record<string, string>, status: number][] = [
    ['a page elsewhere', { origin: 'https://elsewhere.example' }, 403],
    ['a page of the app on another port', { origin: 'http://localhost:3000' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    ['nobody who says where from', {}, 403],
    ['a name that leads here', { host: 'rebound.example', origin: 'http://rebound.example' }, 421],
  ];
  for (const [who, headers, status] of strangers) {
    it(`breaks nothing for ${who}`, async () => {
      const before = numbers.length;
      assert.equal((await send('/break/good', headers, 'POST')).status, status);
      assert.equal(numbers.length, before);
    });
  }

  it('knows its outages and its page, and nothing else', async () => {
    for (const [path, method] of [
      ['/break/good', 'GET'],
      ['/break/other', 'POST'],
      ['/etc/passwd', 'GET'],
    ] as const) {
      assert.equal((await send(path, { origin: url }, method)).status, 404, path);
    }
  });
});
