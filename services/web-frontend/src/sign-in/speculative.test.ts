import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { openTestbed, signIn } from '../testbed.fake.ts';

const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
type Row = [what: string, sent: { method?: string; headers?: Record<string, string> }, status: number];

const speculative: Row[] = [
  ['a prefetch', { headers: { 'sec-purpose': 'prefetch' } }, 403],
  ['a prerendering', { headers: { 'sec-purpose': 'prefetch;prerender', 'sec-fetch-dest': 'document' } }, 403],
  ['a prefetch by a proxy', { headers: { 'sec-purpose': 'prefetch;anonymous-client-ip' } }, 403],
  ['a prefetch of an older browser', { headers: { purpose: 'prefetch' } }, 403],
  ['a prefetch of an older Firefox', { headers: { 'x-moz': 'prefetch' } }, 403],
  ['a preview of Safari', { headers: { 'x-purpose': 'preview' } }, 403],
  ['HEAD', { method: 'HEAD' }, 200],
  ...[
    'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
    'facebookexternalhit/1.1',
    'WhatsApp/2.23.20.0',
    'Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com',
    'TelegramBot (like TwitterBot)',
    'Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)',
    'LinkedInBot/1.0 (compatible; Mozilla/5.0)',
  ].map((agent): Row => [`the preview of ${agent.slice(0, 24)}`, { headers: { 'user-agent': agent } }, 200]),
];

describe('a request that no person has made', () => {
  for (const [what, sent, status] of speculative) {
    it(`begins no sign-in, completes none and sets no cookie: ${what}`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      const { location } = await browser.send('/sign-in?return_to=/profile');
      const callback = `/auth/callback?${testbed.visit(location)}`;
      const calls = testbed.broker.requests.length;
      for (const path of ['/sign-in', '/sign-in?prompt=none&return_to=/profile', callback]) {
        const response = await browser.send(path, sent);
        assert.deepEqual([response.status, response.location, response.setCookies], [status, '', []], path);
        if (sent.method !== 'HEAD') assert.match(response.body, /<a class="button" href="">Sign in/);
      }
      assert.equal(testbed.broker.requests.length, calls, 'the code is not spent');
      assert.equal((await browser.send(callback)).location, '/profile');
    });

    it(`takes nothing away, shows no notice and keeps no step-up: ${what}`, async () => {
      await using testbed = await openTestbed();
      const browser = testbed.browser();
      await signIn(testbed, browser);
      await browser.submit('/sign-out', { where: 'here' });
      await signIn(testbed, browser);
      testbed.broker.sessions.clear();
      const kept = [...browser.cookies];
      for (const path of ['/', '/profile', '/whoami', '/session', '/api/orders/x']) {
        const headers = { 'x-csrf': '1', ...sent.headers };
        assert.deepEqual((await browser.send(path, { ...sent, headers })).setCookies, [], path);
      }
      assert.deepEqual([...browser.cookies], kept);
      assert.ok(browser.cookies.has(sessionCookie));
    });
  }

  it('is none that a browser makes for a person, whatever its name', async () => {
    await using testbed = await openTestbed();
    const people: Record<string, string>[] = [
      {},
      { 'user-agent': chrome },
      { 'user-agent': 'Mozilla/5.0 (Linux; Android 13; CUBOT X70 Preview)', 'sec-fetch-dest': 'document' },
      { 'sec-purpose': '' },
      { 'user-agent': `${chrome} [FBAN/FBIOS;FBAV/400]` },
    ];
    for (const headers of people) {
      const { status, setCookies } = await testbed.browser().send('/sign-in', { headers });
      assert.deepEqual([status, setCookies.length], [303, 1], JSON.stringify(headers));
    }
  });
});
