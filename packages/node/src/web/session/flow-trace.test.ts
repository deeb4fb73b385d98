import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { KeyRing } from '../../core/keys/key-ring.ts';
import { createFlowTrace, landingCookie, loginCookiePrefix, splitLogin } from './flow-trace.ts';
import { Location } from './location.ts';

const key = () => createSecretKey(randomBytes(32));
const [old, fresh] = [key(), key()];
const ring: KeyRing = { current: 'old', keys: new Map([['old', old]]) };
let nowMs = Date.UTC(2026, 5, 1);
const flows = createFlowTrace(
  () => ring,
  () => nowMs,
);

const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
const carried = flows.write(span);
const jwe = 'h..i.c.t';
const loginName = `${loginCookiePrefix}0t-abc`;

function request(url: string, cookies: Record<string, string> = {}, headers: Record<string, string> = {}) {
  const cookie = Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
  return { url, headers: { ...headers, cookie } } as unknown as IncomingMessage;
}

const location = new Location('https://app.test', { only: true, sharers: 1 });
const originOf = (...asked: Parameters<typeof request>) =>
  flows.originOf(request(...asked), { location, target: asked[0] });
const parentOf = (...asked: Parameters<typeof request>) => originOf(...asked).parent?.spanId;
const callback = '/auth/callback?code=x&state=0t-abc.rest';
const forged = `${Buffer.from(`00-${'c'.repeat(32)}-${'d'.repeat(16)}-01 0`).toString('base64url')}.${'A'.repeat(43)}`;

describe('where a request belongs', () => {
  it('a callback belongs to the sign-in whose cookie fits its state', () => {
    const other = flows.write({ ...span, spanId: 'e'.repeat(16) });
    const cookies = { [`${loginCookiePrefix}0z-new`]: `${other}.${jwe}`, [loginName]: `${carried}.${jwe}` };
    assert.equal(parentOf(callback, cookies), span.spanId);
  });

  it('a callback by form_post belongs to the newest attempt', () => {
    const newer = flows.write({ ...span, spanId: 'e'.repeat(16) });
    const [old, anew] = [{ [loginName]: `${carried}.${jwe}` }, { [`${loginCookiePrefix}0z-new`]: `${newer}.${jwe}` }];
    const others = { a: `${carried}.${jwe}`, zz: `${carried}.${jwe}` };
    for (const cookies of [
      { ...others, ...old, ...anew },
      { ...anew, ...old, ...others },
    ])
      assert.equal(parentOf('/auth/callback', cookies), 'e'.repeat(16));
  });

  it('the first document after it belongs to the same trace, its style sheet does not', () => {
    const landing = { [landingCookie]: carried };
    assert.equal(parentOf('/', landing, { 'sec-fetch-dest': 'document' }), span.spanId);
    assert.equal(parentOf('/style.css', landing, { 'sec-fetch-dest': 'style' }), undefined);
    assert.equal(parentOf('/', { landing: carried }, { 'sec-fetch-dest': 'document' }), undefined);
  });

  it('a sign-in begins a trace, whatever comes from outside', () => {
    const outside = { traceparent: `00-${span.traceId}-${span.spanId}-01` };
    assert.deepEqual(originOf('/sign-in', {}, outside), {});
  });

  const strange: [what: string, cookie: string][] = [
    ['a forged place', `${forged}.${jwe}`],
    ['a place whose last letter was changed', `${carried.slice(0, -2)}${carried.endsWith('AA') ? 'BA' : 'AA'}.${jwe}`],
    ['a place with something before it', `%${carried}.${jwe}`],
    ['a place with something behind it', `${carried}%.${jwe}`],
    ['a login cookie without a place', jwe],
    ['rubbish', '%%%.'.repeat(9)],
    ['nothing', ''],
  ];
  for (const [what, cookie] of strange) {
    it(`${what} begins a new trace`, () => assert.equal(parentOf(callback, { [loginName]: cookie }), undefined));
  }

  for (const url of ['//', 'http://', '*', '/%', '/auth/callback?state', '']) {
    it(`an odd address such as ${url} is no trouble`, () => assert.equal(parentOf(url), undefined));
  }

  /** What comes of it so many ms after the place was written down. */
  const later = (ms: number, url: string, cookies: Record<string, string>) => {
    nowMs += ms;
    const parent = parentOf(url, cookies, { 'sec-fetch-dest': 'document' });
    nowMs -= ms;
    return parent;
  };

  it('a place that is too old begins a new trace: of a sign-in after 15 minutes, of a landing after 30 s', () => {
    for (const [url, cookies, ms] of [
      [callback, { [loginName]: `${carried}.${jwe}` }, 15 * 60_000],
      ['/', { [landingCookie]: carried }, 30_000],
    ] as const) {
      assert.equal(later(ms, url, cookies), span.spanId);
      assert.equal(later(ms + 1, url, cookies), undefined);
    }
  });

  it('a place from a pod whose clock is ahead was written down now', () => {
    const written = nowMs;
    nowMs -= 5_000;
    assert.deepEqual(flows.readLogin(carried)?.atMs, nowMs);
    nowMs = written + 5_000;
    assert.deepEqual(flows.readLogin(carried)?.atMs, written);
    nowMs = written;
  });

  it('a place written under a former key still counts', () => {
    ring.current = 'fresh';
    ring.keys = new Map([
      ['old', old],
      ['fresh', fresh],
    ]);
    assert.equal(parentOf(callback, { [loginName]: `${carried}.${jwe}` }), span.spanId);
    ring.keys = new Map([['fresh', fresh]]);
    assert.equal(parentOf(callback, { [loginName]: `${carried}.${jwe}` }), undefined);
  });
});

describe('a login cookie', () => {
  it('is split into place and sealed attempt', () => {
    assert.deepEqual(splitLogin(`${carried}.${jwe}`), { carried, sealed: jwe });
    assert.deepEqual(splitLogin(jwe), { carried: undefined, sealed: jwe });
  });
});
