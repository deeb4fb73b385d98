import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../kit/browser/chromium.ts';
import { type BrowserProfile, openBrowserProfile } from '../kit/browser/profile.ts';
import { answerOn, consent, heading, hello, pick } from '../kit/browser/steps.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const [web, entra, entraBrowser, entraAdmin] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
const [host, shop, hr] = [
  `http://a.localhost:${web}`,
  `http://b.localhost:${web}/shop`,
  `http://b.localhost:${web}/hr`,
] as const;
const all = [host, shop, hr];

describe('one deployment at two hosts, one of them by two paths', () => {
  let browser: Browser & AsyncDisposable;
  let system: System;
  before(async () => {
    browser = await launchChromium();
    system = await openSystem({
      ...{ name: 'locations', brokers: 2, frontend: true, ports: { web, entra, entraBrowser, entraAdmin } },
      redirectUris: all.map((base) => `${base}/auth/callback`),
      env: { web: { PUBLIC_BASE_URL: '', PUBLIC_BASE_URLS: all.join(','), PUBLIC_RATE_BURST: '1000' } },
    });
    await system.admin('PATCH', '/apps/web', {
      redirectUris: all.flatMap((base) => [`${base}/auth/callback`, `${base}/`]),
      frontChannelLogoutUri: `${host}/auth/front-channel-logout`,
    });
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await system?.close();
  });

  async function signIn({ page, look }: BrowserProfile, base: string, person?: string): Promise<void> {
    await page.goto(base);
    await heading(page, 'Welcome');
    await page.getByRole('link', { name: 'Sign in' }).click();
    if (person) await pick(page, person);
    await allowed(page);
    await hello(page);
    assert.equal(page.url(), `${base}/`);
    await look();
  }
  /** Gives the permissions that Entra ID asks for, if it does. */
  async function allowed(page: Page): Promise<void> {
    const app = page.locator('footer #reference');
    await app.or(consent(page)).first().waitFor();
    if (await consent(page).isVisible()) await consent(page).click();
  }
  const others = (base: string) => all.filter((other) => other !== base);
  const namesOf = async ({ context }: BrowserProfile, base: string) =>
    (await context.cookies(base)).map(({ name }) => name).filter((name) => name.endsWith('session'));

  for (const base of all) {
    const { pathname } = new URL(`${base}/`);

    it(`signs in, calls an API, is asked for consent and comes back at ${pathname} of ${new URL(base).hostname}`, async () => {
      await using alice = await openBrowserProfile(browser);
      const { page } = alice;
      await signIn(alice, base, 'alice');
      await page.goto(`${base}/sign-in?prompt=consent&return_to=${pathname}profile`);
      await consent(page).click();
      await heading(page, 'Your profile');
      assert.equal(page.url(), `${base}/profile`);
      await page.getByRole('link', { name: 'Home' }).click();
      await page.getByRole('link', { name: 'Who am I?' }).click();
      await allowed(page);
      assert.equal((await answerOn(alice)).username, 'alice@contoso.test');
      assert.equal(page.url(), `${base}/whoami`);
      await alice.assertClean();
    });

    it(`signs nobody in elsewhere, and signs out there at ${pathname} of ${new URL(base).hostname}`, async () => {
      await using alice = await openBrowserProfile(browser);
      const { page } = alice;
      await signIn(alice, base, 'alice');
      for (const other of others(base)) {
        await page.goto(`${other}/`);
        await heading(page, 'Welcome');
        const status = await page.evaluate(async () => (await fetch('session', { headers: { 'X-CSRF': '1' } })).status);
        assert.equal(status, 401);
      }
      await page.goto(`${base}/`);
      await hello(page);
      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await page.getByText('You are signed out.').waitFor();
      assert.equal(page.url(), `${base}/`);
      assert.deepEqual(await namesOf(alice, base), []);
      await alice.assertClean();
    });

    it(`hears of a sign-out at Entra ID in a frame at ${pathname} of ${new URL(base).hostname}`, async () => {
      await system.admin('PATCH', '/apps/web', { frontChannelLogoutUri: `${base}/auth/front-channel-logout` });
      await using alice = await openBrowserProfile(browser);
      const { context, page } = alice;
      await signIn(alice, base, 'alice');
      const tab = await context.newPage();
      const told = tab.waitForResponse((response) =>
        response.url().startsWith(`${base}/auth/front-channel-logout?sid=`),
      );
      await tab.goto(`${system.emulator.browserOrigin}/${system.emulator.ids.tenants.contoso}/oauth2/v2.0/logout`);
      const answer = await told;
      assert.equal(answer.status(), 200);
      assert.equal((await answer.request().allHeaders()).cookie, undefined);
      assert.equal(await tab.frames()[1]?.locator('body').textContent(), 'signed out\n');
      await page.reload();
      await heading(page, 'Welcome');
    });
  }

  it('holds sessions of two people at the two paths of a host, each signed out alone', async () => {
    await using both = await openBrowserProfile(browser);
    const { page } = both;
    await signIn(both, shop, 'alice');
    await page.goto(`${hr}/sign-in?prompt=select_account`);
    await pick(page, 'bob');
    await allowed(page);
    await hello(page);
    assert.deepEqual((await namesOf(both, hr)).sort(), ['__Host-Http-hr~session', '__Host-Http-shop~session']);
    const whoIs = async (base: string) => {
      await page.goto(`${base}/profile`);
      return await page.getByText(/^(alice|bob)@contoso\.test$/).textContent();
    };
    assert.deepEqual([await whoIs(shop), await whoIs(hr)], ['alice@contoso.test', 'bob@contoso.test']);
    const left = await page.evaluate(async () => {
      const response = await fetch('/hr/sign-out', {
        method: 'POST',
        headers: { 'X-CSRF': '1', 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'where=here',
      });
      return response.status;
    });
    assert.equal(left, 200);
    assert.equal(await whoIs(shop), 'alice@contoso.test');
    await page.goto(`${hr}/`);
    await heading(page, 'Welcome');
    await both.assertClean();
  });

  it('is no other host and no other path', async () => {
    await using nobody = await openBrowserProfile(browser);
    const { page } = nobody;
    const elsewhere = await page.goto(`http://c.localhost:${web}/`);
    assert.equal(elsewhere?.status(), 421);
    await heading(page, 'This site has another address');
    assert.equal(await page.getByRole('link').filter({ hasNotText: 'Skip' }).count(), 0);
    assert.equal((await page.goto(`http://b.localhost:${web}/`))?.status(), 404);
  });
});
