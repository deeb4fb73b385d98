import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alice, type Browser, openTestbed, signIn, type Testbed } from '../testbed.fake.ts';

const bob = { ...alice, oid: 'oid-bob', sid: 'sid-bob', name: 'Bob', login_hint: 'hint-bob' };
const past = 'Mon, 01 Jan 2024 00:00:00 GMT';
const path = '/api/orders/x';
type Headers = Record<string, string>;

async function open(headers: Headers = {}, status = 200) {
  const testbed = await openTestbed();
  const browser = testbed.browser();
  await signIn(testbed, browser);
  testbed.setApiResponse(() => ({ status, headers }));
  return { testbed, browser, [Symbol.asyncDispose]: () => testbed[Symbol.asyncDispose]() };
}

async function signInAs(testbed: Testbed, browser: Browser, claims: object, more = '/sign-in') {
  return await signIn(testbed, browser, more, { claims });
}

/** What an API says → what the browser hears as Cache-Control and Vary. */
const said: [what: string, api: Headers, cacheControl: string, vary?: string][] = [
  ['nothing', {}, 'no-store'],
  ['a tag alone', { etag: '"v1"' }, 'private, no-cache'],
  ['a time alone', { 'last-modified': past }, 'private, no-cache'],
  ['fresh for all', { 'cache-control': 'public, max-age=600, s-maxage=600, immutable' }, 'private, no-cache'],
  ['fresh for one', { 'cache-control': 'private, max-age=300', vary: 'Authorization' }, 'private, no-cache'],
  ['stale too', { 'cache-control': 'max-age=0, stale-while-revalidate=600, stale-if-error=600' }, 'private, no-cache'],
  ['no-store', { 'cache-control': 'no-store', etag: '"v1"' }, 'no-store'],
  ['no-store in other words', { 'cache-control': 'Private,NO-STORE , max-age=9', etag: '"v1"' }, 'no-store'],
  ['no-store that may be set aside', { 'cache-control': 'must-understand, no-store, max-age=60' }, 'no-store'],
  ['no-store in a broken header', { 'cache-control': 'public, "no-store' }, 'no-store'],
  ['a stream', { 'cache-control': 'no-cache, no-transform' }, 'private, no-cache, no-transform'],
  [
    'what it varies by',
    { vary: 'accept-encoding , AUTHORIZATION, Origin' },
    'no-store',
    'Cookie, accept-encoding, Origin',
  ],
  ['by cookie already', { vary: 'cookie,Cookie' }, 'no-store', 'Cookie'],
  ['by other names', { vary: 'X-Cookie, Authorization-Info' }, 'no-store', 'Cookie, X-Cookie, Authorization-Info'],
  ['by everything', { 'cache-control': 'max-age=9', vary: 'Accept, *' }, 'private, no-cache', '*'],
  ['nonsense', { vary: 'A B;(c)\u00a0Authorization', 'cache-control': 'x' }, 'private, no-cache', 'Cookie, A, B, c'],
];

/** Hints to caches of every maker: a CDN or proxy in front of us would follow them. */
const hints: Headers = {
  age: '10',
  expires: 'Wed, 01 Jan 2125 00:00:00 GMT',
  pragma: 'cache',
  warning: '110 - "stale"',
  'cdn-cache-control': 'max-age=600',
  'cloudflare-cdn-cache-control': 'max-age=600',
  'vercel-cdn-cache-control': 'max-age=600',
  'netlify-cdn-cache-control': 'max-age=600',
  'surrogate-control': 'max-age=600',
  'surrogate-key': 'x',
  'cache-tag': 'x',
  'cache-status': 'x; hit',
  'edge-control': 'cache-maxage=600',
  'x-accel-expires': '600',
  'x-accel-redirect': '/x',
  'x-cache': 'HIT',
  'no-vary-search': 'params',
  'clear-site-data': '"cookies"',
  'use-as-dictionary': 'match="/*"',
};

describe('what an API says of caching', () => {
  for (const [what, api, cacheControl, vary = 'Cookie'] of said) {
    it(`is for its own hop: ${what}`, async () => {
      await using at = await open({ ...api, ...hints });
      const { headers } = await at.browser.script(path);
      assert.deepEqual([headers.get('cache-control'), headers.get('vary')], [cacheControl, vary]);
      for (const name of Object.keys(hints)) assert.equal(headers.get(name), null, name);
    });
  }

  it('counts for nothing after a change', async () => {
    await using at = await open({ 'cache-control': 'public, max-age=600', etag: '"v1"' });
    for (const method of ['POST', 'DELETE']) {
      const { headers } = await at.browser.script(path, { method });
      assert.deepEqual([headers.get('cache-control'), headers.get('etag')], ['no-store', '"v1"']);
    }
  });

  it('does not loosen what we say ourselves', async () => {
    await using at = await open();
    for (const [browser, to] of [
      [at.testbed.browser(), path],
      [at.browser, '/api/unknown/x'],
    ] as const) {
      assert.equal((await browser.script(to)).headers.get('cache-control'), 'no-store');
    }
  });
});

/** An API of versions: the same tag and time for everybody, and 304 to whoever names one of them. */
function answerByVersion(testbed: Testbed, validators: Headers): void {
  testbed.setApiResponse(({ headers }) => {
    const { 'if-none-match': tags, 'if-modified-since': since } = headers;
    const same = tags === undefined ? since !== undefined : tags.includes(validators.etag ?? 'none');
    return { status: same ? 304 : 200, headers: validators, json: { of: headers.authorization } };
  });
}

const validators: [string, Headers][] = [
  ['a strong tag', { etag: '"v1"' }],
  ['a weak tag', { etag: 'W/"v1"' }],
  ['a time', { 'last-modified': past }],
  ['both', { etag: '"a,b ob-c"', 'last-modified': past }],
];

/** What APIs send for a tag and RFC 9110 section 8.8.3 does not know. */
const brokenTags = ['v1', "'v1'", '"v1', 'w/"v1"', 'W/v1', '"v1"-gzip', 'W/', '"a"b"'];

describe('what a browser keeps', () => {
  for (const etag of brokenTags) {
    it(`has a mark of its person too where the API's tag is none: ${etag}`, async () => {
      await using at = await open({ etag, 'last-modified': past });
      const { status, headers } = await at.browser.script(path);
      assert.deepEqual([status, headers.get('cache-control')], [200, 'private, no-cache']);
      assert.match(headers.get('etag') ?? '', /^W\/"ob-[\w-]{16}-"$/);
      const conditions = { 'if-none-match': String(headers.get('etag')), 'if-modified-since': past };
      const seen = async () => {
        await at.browser.script(path, { headers: conditions });
        const { 'if-none-match': tag, 'if-modified-since': since } = at.testbed.api.requests.at(-1)?.headers ?? {};
        return [tag, since];
      };
      assert.deepEqual(await seen(), [undefined, past]);
      await signInAs(at.testbed, at.browser, bob);
      assert.deepEqual(await seen(), [undefined, undefined]);
    });
  }

  for (const [what, sent] of validators) {
    it(`serves its own person again, and nobody else: by ${what}`, async () => {
      await using at = await open();
      answerByVersion(at.testbed, sent);
      const first = await at.browser.script(path);
      assert.equal(first.status, 200);
      assert.equal(first.headers.get('last-modified'), sent['last-modified'] ?? null);
      const conditions: Headers = {
        'if-none-match': String(first.headers.get('etag')),
        ...(sent['last-modified'] && { 'if-modified-since': sent['last-modified'] }),
      };
      const again = await at.browser.script(path, { headers: conditions });
      assert.deepEqual([again.status, again.headers.get('cache-control')], [304, 'private, no-cache']);
      assert.equal(again.headers.get('etag'), first.headers.get('etag'));
      const asked = at.testbed.api.requests.at(-1)?.headers;
      assert.equal(asked?.['if-none-match'], sent.etag, 'the API sees its own tag, or none');

      await signInAs(at.testbed, at.browser, bob);
      const bobs = await at.browser.script(path, { headers: conditions });
      assert.equal(bobs.status, 200, "Bob's browser had to show Alice's");
      assert.notEqual(bobs.headers.get('etag'), first.headers.get('etag'));
      await signInAs(at.testbed, at.browser, alice);
      assert.equal((await at.browser.script(path, { headers: conditions })).status, 304, 'Alice in another session');
    });
  }

  it('is not completed with the data of somebody else', async () => {
    await using at = await open({ etag: '"v1"' });
    const tag = String((await at.browser.script(path)).headers.get('etag'));
    const headers = { range: 'bytes=5-', 'if-range': tag };
    const seen = async () => {
      await at.browser.script(path, { headers });
      const { range, 'if-range': condition } = at.testbed.api.requests.at(-1)?.headers ?? {};
      return [range, condition];
    };
    assert.deepEqual(await seen(), ['bytes=5-', '"v1"']);
    await signInAs(at.testbed, at.browser, bob);
    assert.deepEqual(await seen(), [undefined, undefined]);
  });

  it('is not completed by a time or a weak tag: they do not tell whose half it is', async () => {
    await using at = await open({ 'last-modified': past });
    const tag = String((await at.browser.script(path)).headers.get('etag'));
    const mine = tag.replace(/^W\/"(.*)"$/, '$1');
    for (const condition of [past, tag, `W/"${mine}v1"`, 'W/"v1"', '', 'nonsense']) {
      await at.browser.script(path, { headers: { range: 'bytes=5-', 'if-range': condition } });
      const { range, 'if-range': asked } = at.testbed.api.requests.at(-1)?.headers ?? {};
      assert.deepEqual([range, asked], [undefined, undefined], condition);
    }
    await at.browser.script(path, { headers: { range: 'bytes=5-' } });
    assert.equal(at.testbed.api.requests.at(-1)?.headers.range, 'bytes=5-');
  });

  it('is a condition of a change too: by the own tag, as it was; by a foreign one, for the API to refuse', async () => {
    await using at = await open({ etag: '"v1"' });
    const tag = String((await at.browser.script(path)).headers.get('etag'));
    const seen = async (condition: string) => {
      await at.browser.script(path, { method: 'POST', headers: { 'if-match': condition } });
      return at.testbed.api.requests.at(-1)?.headers['if-match'];
    };
    assert.equal(await seen(tag), '"v1"');
    assert.equal(await seen(`"v0", ${tag}`), '"v0", "v1"');
    assert.equal(await seen('*'), '*');
    assert.equal(await seen('"from-the-body"'), '"from-the-body"');
    await signInAs(at.testbed, at.browser, bob);
    assert.equal(await seen(tag), tag);
    await at.browser.script(path, { method: 'POST', headers: { 'if-none-match': tag } });
    assert.equal(at.testbed.api.requests.at(-1)?.headers['if-none-match'], tag);
  });

  it('stays when the API confirms it in as few words as it likes', async () => {
    await using at = await open({}, 304);
    const { status, headers } = await at.browser.script(path);
    assert.deepEqual([status, headers.get('cache-control'), headers.get('etag')], [304, 'private, no-cache', null]);
  });

  it('is forgotten at sign-out, when the session has ended, and when it may be somebody else who signs in', async () => {
    await using testbed = await openTestbed();
    const browser = testbed.browser();
    const forgets = ({ headers }: { headers: globalThis.Headers }) => headers.get('clear-site-data') === '"cache"';
    assert.ok(forgets(await signIn(testbed, browser)), 'nobody is known to have been here before');
    assert.ok(!forgets(await signIn(testbed, browser)), 'the same person, as after a step-up');
    assert.ok(forgets(await signInAs(testbed, browser, bob)));
    assert.ok(forgets(await signInAs(testbed, browser, { ...bob, oid: alice.oid, tid: alice.tid })));
    testbed.broker.sessions.clear();
    assert.ok(forgets(await signInAs(testbed, browser, bob)), 'by the cookie of a session that idled out');
    assert.ok(!forgets(await browser.send('/')) && !forgets(await browser.script(path)));
    assert.ok(forgets(await browser.submit('/sign-out', { where: 'here' })));
    await signIn(testbed, browser);
    assert.ok(forgets(await browser.script('/sign-out', { method: 'POST' })));
    for (const to of ['/', '/session', path]) {
      await signIn(testbed, browser);
      testbed.broker.sessions.clear();
      assert.ok(forgets(await browser.script(to)), `${to} finds the session ended`);
    }
  });

  it('is forgotten for the same object id of another tenant', async () => {
    await using testbed = await openTestbed({ tenantId: 'organizations' });
    const browser = testbed.browser();
    await signIn(testbed, browser);
    const tid = '33333333-3333-4333-8333-333333333333';
    const { headers } = await signInAs(testbed, browser, { ...alice, tid, iss: `${testbed.entra.origin}/${tid}/v2.0` });
    assert.equal(headers.get('clear-site-data'), '"cache"');
  });
});
