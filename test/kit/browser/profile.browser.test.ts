import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { openBrowserProfile } from './profile.ts';

const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
/** Pages that leak, each in its way, and how that is told. */
const leaks: [where: string, html: string, told: RegExp][] = [
  ['an answer', `<p>${token}</p>`, /a token/],
  ['the answer to a script', '<script>fetch("/token")</script><p>none', /a token in the answer/],
  ['storage', '<script>localStorage.t = ["eyJh", "eyJz.c"].join("bGciOiJub25lIn0.")</script>', /a token can be read/],
  ['a cookie', '<script>document.cookie = "a=b"</script>', /a script can read a cookie/],
];

describe('a browser profile', () => {
  let server: Server;
  let browser: Browser & AsyncDisposable;
  let origin = '';
  before(async () => {
    server = createServer(({ url = '/' }, res) => {
      const page = leaks[Number(url.slice(1))]?.[1] ?? (url === '/token' ? token : '<p>nothing of value');
      res.setHeader('Content-Type', 'text/html').end(`<!doctype html><link rel=icon href=data:,>${page}`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    server?.close();
  });

  for (const [place, [where, , told]] of leaks.entries()) {
    it(`sees a token in ${where}`, async () => {
      await using profile = await openBrowserProfile(browser);
      const { page } = profile;
      await page.goto(`${origin}/none`);
      await page.goto(`${origin}/${place}`, { waitUntil: 'networkidle' });
      await assert.rejects(profile.assertClean(), told);
    });
  }

  it('has nothing to say where there is none', async () => {
    await using profile = await openBrowserProfile(browser);
    await profile.page.goto(`${origin}/none`);
    await profile.page.reload();
    await profile.assertClean();
  });
});
