import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../kit/browser/chromium.ts';
import { type BrowserProfile, openBrowserProfile, shoot } from '../kit/browser/profile.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

let system: System;
let browser: Browser & AsyncDisposable;
before(async () => {
  browser = await launchChromium();
  system = await openSystem({ frontend: true, name: 'browser' });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await system?.close();
});

/** Signs in, consents, calls the API and signs out as a person with a mouse does. */
async function walk({ page, look }: BrowserProfile, scheme: string): Promise<void> {
  const see = async (name: string) => {
    await look();
    await shoot(page, `${name}-${scheme}`);
  };
  await page.goto(system.web);
  await see('1-welcome');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Pick an account' }).waitFor();
  await see('2-pick-an-account');
  await page.getByRole('button', { name: /alice@/ }).click();
  // Only the first browser is asked: consent is remembered.
  const home = page.getByRole('heading', { name: 'Hello, Alice Ahrens' });
  const consent = page.getByRole('button', { name: 'Accept' });
  await home.or(consent).waitFor();
  if (await consent.isVisible()) {
    await see('3-consent');
    await consent.click();
  }
  await home.waitFor();
  await see('4-home');
  await page.getByRole('link', { name: 'Who am I?' }).click();
  const answer = page.getByLabel('The response');
  await answer.or(consent).waitFor();
  if (await consent.isVisible()) {
    await see('5-incremental-consent');
    await consent.click();
  }
  await answer.waitFor();
  assert.equal(JSON.parse((await answer.textContent()) ?? '').name, 'Alice Ahrens');
  await see('6-answer');
  await page.goto(system.web);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByText('You are signed out.').waitFor();
  await see('7-signed-out');
  const status = await page.evaluate<number>(`fetch('/session', { headers: { 'X-CSRF': '1' } }).then((r) => r.status)`);
  assert.equal(status, 401);
  assert.equal(await page.evaluate<string>('document.cookie'), '', 'a script can read a cookie');
}

describe('in a real browser', () => {
  for (const scheme of ['light', 'dark'] as const) {
    it(`Alice signs in, consents, sees her name and the API's answer, and signs out, in ${scheme}`, async () => {
      await using alice = await openBrowserProfile(browser, { colorScheme: scheme });
      try {
        await walk(alice, scheme);
        await alice.assertClean();
      } catch (error) {
        await shoot(alice.page, `failed-${scheme}`);
        throw error;
      }
    });
  }

  it('keeps the session cookie as it must be kept', async () => {
    await using alice = await openBrowserProfile(browser);
    const { context, page } = alice;
    await page.goto(`${system.web}/sign-in`);
    await page.getByRole('button', { name: /alice@/ }).click();
    await page.getByRole('heading', { name: 'Hello, Alice Ahrens' }).waitFor();
    const session = (await context.cookies(system.web)).find(({ name }) => name === '__Host-Http-session');
    assert.ok(session, 'there is no session cookie');
    const { secure, httpOnly, path, sameSite, domain } = session;
    assert.deepEqual(
      { secure, httpOnly, path, sameSite, domain },
      { secure: true, httpOnly: true, path: '/', sameSite: 'Lax', domain: 'localhost' },
    );
    assert.doesNotMatch(session.value, /^eyJ[\w-]+\.eyJ/, 'the cookie holds a readable token');
  });
});
