import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator } from 'playwright-core';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { launchChromium } from '../kit/browser/chromium.ts';
import { inspect as inspectPage } from '../kit/browser/inspect.ts';
import { Gallery } from '../kit/browser/pictures.ts';
import { type BrowserProfile, openBrowserProfile } from '../kit/browser/profile.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const gallery = new Gallery('pages');

let system: System;
let browser: Browser & AsyncDisposable;
before(async () => {
  const [web = 0, entra = 0, entraBrowser = 0, entraAdmin = 0, viewer = 0] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  );
  const ports = { web, entra, entraBrowser, entraAdmin, viewer };
  browser = await launchChromium();
  system = await openSystem({ frontend: true, name: 'pages', ports });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await system?.close();
});

/** The page with this heading is good, and holds no token. */
async function inspect({ page, look }: BrowserProfile, name: string, heading: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  await look();
  await inspectPage(page, gallery, name);
}

const button = ({ page }: BrowserProfile, name: string | RegExp) => page.getByRole('button', { name, exact: true });
const link = ({ page }: BrowserProfile, name: string) => page.getByRole('link', { name, exact: true });

async function open(): Promise<BrowserProfile> {
  return openBrowserProfile(browser);
}

/** Somebody who is signed in and has consented to all that the API needs. */
async function signedIn(person: string): Promise<BrowserProfile> {
  const profile = await open();
  const { page } = profile;
  const answer = page.getByLabel('The response');
  await page.goto(`${system.web}/graph/me`);
  await button(profile, new RegExp(`${person}@`)).click();
  const accept = button(profile, 'Accept');
  const away = page.getByRole('heading', { name: /is unavailable/ });
  // As often as there is something to consent to; what was away a moment ago may not be back yet.
  for (;;) {
    await answer.or(accept).or(away).waitFor();
    if (await answer.isVisible()) return profile;
    if (await away.isVisible()) {
      await page.goto(`${system.web}/graph/me`);
      continue;
    }
    const asked = await page.getByRole('listitem').allTextContents();
    await accept.click();
    await page.waitForFunction(
      `document.readyState === 'complete' && [...document.querySelectorAll('li')].map((li) => li.textContent).join() !== ${JSON.stringify(asked.join())}`,
    );
  }
}

describe('every page is readable, in light and dark, wide and narrow, by eye and by screen reader', () => {
  it('and four clicks of a newcomer end at the drawing of their own sign-in, by the first card of the start page', async () => {
    await using gina = await open();
    const { page } = gina;
    let clicks = 0;
    const click = async (target: Locator) => {
      await target.click();
      clicks += 1;
    };
    await page.goto(system.web);
    await click(link(gina, 'Sign in'));
    await click(button(gina, /gina_fabrikam/));
    await click(button(gina, 'Accept'));
    await page.getByRole('heading', { name: 'Hello, Gina Gallo' }).waitFor();
    await click(page.locator('.card a').first());
    await page.waitForURL(`${system.viewerUrl}/traces/*`);
    await page.locator('.sequence .label', { hasText: 'redeem code' }).first().waitFor();
    assert.ok(clicks <= 4, `${clicks} clicks`);
  });

  it('on the way in: welcome, account, consent, home, profile', async () => {
    await using carol = await open();
    const { page } = carol;
    await page.goto(system.web);
    await inspect(carol, 'welcome', 'Welcome');
    await link(carol, 'Sign in').click();
    await inspect(carol, 'pick-an-account', 'Pick an account');
    await button(carol, /carol@/).click();
    await inspect(carol, 'consent', 'Permissions requested');
    await button(carol, 'Accept').click();
    await inspect(carol, 'home', 'Hello, Carol');
    await link(carol, 'Profile').click();
    await inspect(carol, 'profile', 'Your profile');
    await carol.assertClean();
  });

  it('at the stand-in for Entra ID, for a device: its code, and that it may go on', async () => {
    await using bob = await open();
    const { page } = bob;
    const { appId } = builtInSeed.apps.find(({ name }) => name === 'cli') ?? assert.fail('there is no cli');
    const body = new URLSearchParams({ client_id: appId, scope: 'openid' });
    const { browserOrigin } = system.emulator;
    const response = await fetch(`${browserOrigin}/contoso.test/oauth2/v2.0/devicecode`, { method: 'POST', body });
    const { user_code = '' } = (await response.json()) as { user_code?: string };
    await page.goto(`${browserOrigin}/devicelogin`);
    await inspect(bob, 'enter-code', 'Enter code');
    await page.getByLabel('Code').fill(user_code);
    await button(bob, 'Next').click();
    await button(bob, /bob@/).click();
    await button(bob, 'Accept').click();
    await inspect(bob, 'signed-in-on-a-device', 'Signed in');
    await bob.assertClean();
  });

  it('when APIs are called: more consent, answers, a stronger sign-in', async () => {
    await using bob = await open();
    const { page } = bob;
    await page.goto(`${system.web}/whoami`);
    await button(bob, /bob@/).click();
    await page.getByText('Sign you in').waitFor();
    await button(bob, 'Accept').click();
    await page.getByText("Use Onbehalf's downstream API as you").waitFor();
    await inspect(bob, 'consent-for-an-api', 'Permissions requested');
    await button(bob, 'Accept').click();
    await inspect(bob, 'whoami', 'Who am I?');
    await page.goto(`${system.web}/payroll`);
    await inspect(bob, 'approve-sign-in', 'Approve sign-in');
    await button(bob, 'Approve').click();
    await inspect(bob, 'payroll', 'Payroll');
    await bob.assertClean();
  });

  it('when what is needed cannot be had: again and again, or from an administrator only', async () => {
    await using alice = await signedIn('alice');
    const { page } = alice;
    await inspect(alice, 'graph', 'Microsoft Graph');
    const claims = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c9' } } });
    const never = { match: { grant: 'refresh_token' }, then: { aadsts: 50076, claims } };
    const admins = { match: { grant: 'refresh_token' }, then: { aadsts: 90094 } };
    await page.goto(system.web);
    await system.admin('PUT', '/faults', [never]);
    try {
      await system.admin('PUT', '/lifetimes', { access: 299 });
      await button(alice, 'Sign out').click();
      await page.getByText('You are signed out.').waitFor();
      await inspect(alice, 'signed-out', 'Welcome');
      await page.goto(`${system.web}/whoami`);
      await button(alice, /alice@/).click();
      await button(alice, 'Approve').click();
      await inspect(alice, 'still-needed', 'More is needed to show this');
      await system.admin('PUT', '/faults', [admins]);
      await link(alice, 'Home').click();
      await button(alice, 'Sign out everywhere').click();
      await page.getByText('on all your devices').waitFor();
      await inspect(alice, 'signed-out-everywhere', 'Welcome');
      await page.goto(`${system.web}/whoami`);
      await button(alice, /alice@/).click();
      await inspect(alice, 'ask-an-administrator', 'More is needed to show this');
    } finally {
      await system.admin('DELETE', '/faults');
      await system.admin('PUT', '/lifetimes', { access: 3_600 });
    }
    await alice.assertClean();
  });

  it('when something is wrong: no such page, a spoilt link, a refusal, an account that may not', async () => {
    await using dan = await open();
    const { page } = dan;
    await page.goto(`${system.web}/nowhere`);
    await inspect(dan, 'not-found', 'There is nothing here');
    await page.goto(`${system.web}/auth/callback?code=x&state=y`);
    await inspect(dan, 'callback-of-nobody', 'This sign-in cannot be completed');
    await page.goto(`${system.web}/sign-in?prompt=consent`);
    await button(dan, /bob@/).click();
    await button(dan, 'Cancel').click();
    await inspect(dan, 'declined', 'You cancelled the sign-in');
    await page.goto(`${system.web}/sign-in?prompt=select_account`);
    await button(dan, /dan@/).click();
    await inspect(dan, 'disabled-account', 'Sign-in error');
    await dan.assertClean();
  });

  it('in an outage, and when a sign-out could not be confirmed', async () => {
    await using bob = await signedIn('bob');
    const { page } = bob;
    await page.goto(system.web);
    await page.getByRole('heading', { name: /^Hello, / }).waitFor();
    await using other = await bob.context.newPage().then((tab) => ({ tab, [Symbol.asyncDispose]: () => tab.close() }));
    await other.tab.goto(system.web);
    system.relays.broker.cut();
    try {
      await page.reload();
      await inspect(bob, 'outage', 'Sign-in service is unavailable');
      await other.tab.getByRole('button', { name: 'Sign out', exact: true }).click();
      await inspect({ ...bob, page: other.tab }, 'sign-out-unconfirmed', 'Welcome');
    } finally {
      system.relays.broker.restore();
    }
    await bob.assertClean();
  });

  it('when there was no session left to sign out everywhere by, and by its button', async () => {
    await using bob = await signedIn('bob');
    const { page } = bob;
    await page.goto(system.web);
    await bob.context.clearCookies({ name: '__Host-Http-session' });
    await button(bob, 'Sign out everywhere').click();
    await inspect(bob, 'sign-out-everywhere-too-late', 'Welcome');
    await button(bob, 'Sign in, then sign out everywhere').click();
    await button(bob, /bob@/).click();
    await page.getByText('You are signed out on all your devices.').waitFor();
    await bob.assertClean();
  });

  it('and leads to its own trace, which the viewer draws', async () => {
    await using bob = await signedIn('bob');
    const { page } = bob;
    const reference = await page.locator('#reference').textContent();
    await link(bob, 'See its trace').click();
    await page.waitForURL(`${system.viewerUrl}/traces/${reference}*`);
    const call = page.locator('.sequence title', { hasText: 'web-frontend → downstream-api: GET /graph/me' });
    await call.first().waitFor({ state: 'attached' });
  });

  it('when there are too many requests', async () => {
    await using hasty = await open();
    const { page } = hasty;
    for (;;) {
      const flood = Array.from({ length: 20 }, () => fetch(`${system.web}/auth/callback?state=x`));
      const statuses = (await Promise.all(flood)).map(({ status }) => status);
      if (statuses.includes(429) && (await page.goto(`${system.web}/sign-in`))?.status() === 429) break;
    }
    await inspect(hasty, 'too-many-requests', 'Too many requests');
    await hasty.assertClean();
  });

  it('and no picture is kept of a page that is not shown', () => gallery.assertAllSeen());
});
