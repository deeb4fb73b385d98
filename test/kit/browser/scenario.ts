import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { expireSessions } from '../redis/expire.ts';
import { callApi, signIn as visit } from '../steps.ts';
import type { Environment } from '../system/environments.ts';
import { openSystem } from '../system/open.ts';
import type { System } from '../system/system.ts';
import { launchChromium } from './chromium.ts';
import { type BrowserProfile, jwt, openBrowserProfile, shoot } from './profile.ts';
import { answerOn, consent, departures, heading, hello, pick, reloadUntil, sessionOf } from './steps.ts';

type Mode = {
  /** How web-frontend is set up, in a word: names the system and what fails in it. */
  name: string;
  web?: Environment;
  javaScriptEnabled?: boolean;
};

/**
 * Every step of the scenario as a person with a real browser meets it, the pages of Entra ID on another site. The same
 * journeys for each way to set web-frontend up.
 */
export function scenario({ name, web = {}, javaScriptEnabled = true }: Mode): void {
  let system: System;
  let browser: Browser & AsyncDisposable;
  before(async () => {
    browser = await launchChromium();
    system = await openSystem({
      frontend: true,
      ...{ name: `scenario-${name}`, brokers: 2 },
      env: { web: { PUBLIC_RATE_BURST: '1000', ...web } },
    });
    // They have consented before; Carol never has. Redirects are read here too.
    for (const person of ['alice', 'bob']) {
      const visitor = system.visitor();
      await visit(visitor, system, person);
      await callApi(visitor, system);
      for (const { url, headers, body } of visitor.answers)
        assert.doesNotMatch(JSON.stringify([headers, body]), jwt, `a token in the answer of ${url.pathname}`);
    }
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await system?.close();
  });

  /** A test with as many browser profiles as it names people; afterwards each of them has seen no token. */
  function journey(sentence: string, walk: (...people: BrowserProfile[]) => Promise<void>): void {
    it(sentence, async () => {
      await using opened = new AsyncDisposableStack();
      const people: BrowserProfile[] = [];
      for (let place = 0; place < walk.length; place += 1) {
        people.push(opened.use(await openBrowserProfile(browser, { javaScriptEnabled })));
      }
      try {
        await walk(...people);
        for (const person of people) await person.assertClean();
      } catch (error) {
        for (const [place, { page }] of people.entries())
          await shoot(page, `failed-${name}-${place}-${sentence.slice(0, 40).replaceAll(' ', '-')}`).catch(() => {});
        throw error;
      }
    });
  }

  async function signIn({ page, look }: BrowserProfile, person: string): Promise<void> {
    await page.goto(system.web);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await pick(page, person);
    await hello(page);
    await look();
  }

  /** Whoever is not signed in is sent to Entra ID by this page, which then asks who they are or knows it. */
  async function isSignedOut(page: Page): Promise<void> {
    await page.goto(`${system.web}/profile`);
    await heading(page, 'Pick an account');
  }

  describe(`a person with a browser (${name})`, () => {
    journey('is asked for consent, for more of it when a page needs it, and each page then shows', async (carol) => {
      const { page, look } = carol;
      await page.goto(system.web);
      await page.getByRole('link', { name: 'Sign in' }).click();
      await pick(page, 'carol');
      await heading(page, 'Permissions requested');
      await look();
      await consent(page).click();
      await hello(page);
      await page.getByRole('link', { name: 'Who am I?' }).click();
      await page.getByText("Use Onbehalf's downstream API as you").waitFor();
      await consent(page).click();
      assert.equal((await answerOn(carol)).username, 'carol@contoso.test');
      assert.equal(page.url(), `${system.web}/whoami`);
      await page.getByRole('link', { name: 'Home' }).click();
      await page.getByRole('link', { name: 'Microsoft Graph' }).click();
      await page.getByText('read your profile').waitFor();
      await consent(page).click();
      assert.equal((await answerOn(carol)).userPrincipalName, 'carol@contoso.test');
      assert.equal(page.url(), `${system.web}/graph/me`);
    });

    journey('may decline, which changes nothing, and sign in after all', async ({ page, look }) => {
      await page.goto(`${system.web}/sign-in?prompt=consent`);
      await pick(page, 'bob');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByText('The permission was not given').waitFor();
      await look();
      await page.getByRole('link', { name: 'Sign in again' }).click();
      await hello(page);
    });

    journey('proves who they are once more where the API asks for it, and is back where they were', async (alice) => {
      const { page, look } = alice;
      await signIn(alice, 'alice');
      const sent = departures(page);
      await page.getByRole('link', { name: 'Payroll' }).click();
      await heading(page, 'Approve sign-in');
      await look();
      await page.getByRole('button', { name: 'Approve' }).click();
      assert.equal((await answerOn(alice)).name, 'Alice Ahrens');
      assert.equal(page.url(), `${system.web}/payroll`);
      await page.getByRole('link', { name: 'Call again' }).click();
      await page.getByLabel('The answer').waitFor();
      assert.equal(sent.length, 1, 'once is enough');
    });

    journey('sees what Microsoft Graph told the API on their behalf', async (alice) => {
      await signIn(alice, 'alice');
      await alice.page.getByRole('link', { name: 'Microsoft Graph' }).click();
      assert.equal((await answerOn(alice)).userPrincipalName, 'alice@contoso.test');
    });

    journey('signs in in two tabs at once, each back where it was', async ({ context, page, look }) => {
      const other = await context.newPage();
      await page.goto(`${system.web}/profile`);
      await other.goto(`${system.web}/whoami`);
      await heading(page, 'Pick an account');
      await pick(other, 'alice');
      await other.getByLabel('The answer').waitFor();
      await pick(page, 'alice');
      await heading(page, 'Your profile');
      assert.equal(page.url(), `${system.web}/profile`);
      await other.reload();
      await other.getByLabel('The answer').waitFor();
      await look();
    });

    journey('signs out here and nowhere else', async (here, there) => {
      await signIn(here, 'alice');
      await signIn(there, 'alice');
      await here.page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await here.page.getByText('You are signed out.').waitFor();
      assert.equal(await sessionOf(system, here), undefined);
      await isSignedOut(here.page);
      await there.page.reload();
      await hello(there.page);
    });

    journey('signs out everywhere', async (here, there, bob) => {
      for (const [person, who] of [[here, 'alice'] as const, [there, 'alice'] as const, [bob, 'bob'] as const]) {
        await signIn(person, who);
      }
      await here.page.getByRole('button', { name: 'Sign out everywhere' }).click();
      await here.page.getByText('You are signed out on all your devices.').waitFor();
      await there.page.goto(system.web);
      await heading(there.page, 'Welcome');
      assert.equal(await sessionOf(system, there), undefined);
      await bob.page.reload();
      await hello(bob.page);
    });

    journey('signs out at Entra ID, whose page tells this app in a frame', async (alice) => {
      const { context, page } = alice;
      await signIn(alice, 'alice');
      const entra = await context.newPage();
      const [tenant] = ((await system.admin('GET', '/state')) as { tenants: { tid: string }[] }).tenants;
      const told = entra.waitForResponse((response) => response.url().includes('/auth/front-channel-logout?sid='));
      await entra.goto(`${system.emulator.browserOrigin}/${tenant?.tid}/oauth2/v2.0/logout`);
      const answer = await told;
      assert.equal(answer.status(), 200);
      const sent = await answer.request().allHeaders();
      assert.equal(sent.cookie, undefined, 'a cookie came along into a cross-site frame');
      assert.equal(await entra.frames()[1]?.locator('body').textContent(), 'signed out\n');
      await page.reload();
      await heading(page, 'Welcome');
      await isSignedOut(page);
    });

    journey('whose session has expired is welcomed as a guest and signs in again without a question', async (alice) => {
      const { page } = alice;
      await signIn(alice, 'alice');
      await expireSessions(system);
      await reloadUntil(page, /^Welcome$/);
      assert.equal(await sessionOf(system, alice), undefined);
      await page.getByRole('link', { name: 'Sign in' }).click();
      await hello(page);
    });

    journey('who goes back after signing out sees nothing of theirs', async (alice) => {
      const { page } = alice;
      await signIn(alice, 'alice');
      await page.getByRole('link', { name: 'Profile' }).click();
      await heading(page, 'Your profile');
      await page.getByRole('link', { name: 'Home' }).click();
      await hello(page);
      await page.getByRole('button', { name: 'Sign out', exact: true }).click();
      await page.getByText('You are signed out.').waitFor();
      const shown: string[] = [];
      for (let times = 0; times < 3; times += 1) {
        await page.goBack();
        await page.getByRole('heading', { level: 1 }).waitFor();
        shown.push(page.url().split('?')[0] ?? '');
        if (page.url().startsWith(system.web)) assert.doesNotMatch(await page.content(), /Alice|alice@/);
      }
      assert.ok(shown.includes(`${system.web}/`), `Back led to ${shown.join(', ')}`);
    });

    journey('stays signed in through an outage and is told so, and guests notice nothing', async (alice, guest) => {
      const { page, look } = alice;
      await signIn(alice, 'alice');
      const before = await sessionOf(system, alice);
      system.relays.broker.cut();
      try {
        const answer = await page.reload();
        assert.equal(answer?.status(), 503);
        assert.match((await answer?.headerValue('retry-after')) ?? '', /^\d+$/);
        await heading(page, 'Sign-in service is unavailable');
        await page.getByText('Nothing is lost: if you were signed in, you still are.').waitFor();
        await look();
        assert.equal(await sessionOf(system, alice), before);
        await guest.page.goto(system.web);
        await heading(guest.page, 'Welcome');
        await guest.page.reload();
      } finally {
        system.relays.broker.restore();
      }
      const sent = departures(page);
      await reloadUntil(page, /^Hello, /);
      assert.equal(await sessionOf(system, alice), before);
      assert.deepEqual(sent, [], 'nobody had to sign in again');
    });

    journey('whom Entra ID has revoked signs in once more, and is back where they were', async (bob) => {
      const { page } = bob;
      await signIn(bob, 'bob');
      await page.getByRole('link', { name: 'Microsoft Graph' }).click();
      await answerOn(bob);
      await system.admin('POST', '/users/bob@contoso.test/revoke');
      const sent = departures(page);
      await page.getByRole('link', { name: 'Call again' }).click();
      await pick(page, 'bob');
      assert.equal((await answerOn(bob)).userPrincipalName, 'bob@contoso.test');
      assert.equal(page.url(), `${system.web}/graph/me`);
      assert.equal(sent.length, 1, 'they were sent to Entra ID more than once');
    });

    journey('who can never satisfy what is asked is told so, not sent round in circles', async (alice) => {
      const { page } = alice;
      await signIn(alice, 'alice');
      // Whatever was acquired for her goes.
      await page.getByRole('button', { name: 'Sign out everywhere' }).click();
      await page.getByText('on all your devices').waitFor();
      await signIn(alice, 'alice');
      const claims = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c9' } } });
      const never = { match: { grant: 'on_behalf_of' }, then: { aadsts: 50076, claims } };
      await system.admin('PUT', '/faults', [never]);
      try {
        const sent = departures(page);
        await page.getByRole('link', { name: 'Microsoft Graph' }).click();
        await page.getByRole('button', { name: 'Approve' }).click();
        await heading(page, 'More is needed to show this');
        assert.ok(sent.length <= 2, `sent to Entra ID ${sent.length} times`);
        assert.match((await page.locator('#reference').textContent()) ?? '', /^[0-9a-f]{32}$/);
      } finally {
        await system.admin('DELETE', '/faults');
      }
    });
  });
}
