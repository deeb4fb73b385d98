import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { heading, hello, sessionOf } from '../steps.ts';
import type { Scenario } from './scenario.ts';

/** Sign-out, and what stays signed in. */
export function signOutJourneys(scenario: Scenario): void {
  scenario.journey('signs out here and nowhere else', async (here, there) => {
    await scenario.signIn(here, 'alice');
    await scenario.signIn(there, 'alice');
    await here.page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await here.page.getByText('You are signed out.').waitFor();
    assert.equal(await sessionOf(scenario.system, here), undefined);
    await isSignedOut(scenario, here.page);
    await there.page.reload();
    await hello(there.page);
  });

  scenario.journey('signs out everywhere', async (here, there, bob) => {
    for (const [person, who] of [[here, 'alice'] as const, [there, 'alice'] as const, [bob, 'bob'] as const]) {
      await scenario.signIn(person, who);
    }
    await here.page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await here.page.getByText('You are signed out on all your devices.').waitFor();
    await there.page.goto(scenario.system.web);
    await heading(there.page, 'Welcome');
    assert.equal(await sessionOf(scenario.system, there), undefined);
    await bob.page.reload();
    await hello(bob.page);
  });

  scenario.journey('signs out at Entra ID, whose page tells this app in a frame', async (alice) => {
    const { context, page } = alice;
    await scenario.signIn(alice, 'alice');
    const entra = await context.newPage();
    const [tenant] = ((await scenario.system.admin('GET', '/state')) as { tenants: { tid: string }[] }).tenants;
    const told = entra.waitForResponse((response) => response.url().includes('/auth/front-channel-logout?sid='));
    await entra.goto(`${scenario.system.emulator.browserOrigin}/${tenant?.tid}/oauth2/v2.0/logout`);
    const answer = await told;
    assert.equal(answer.status(), 200);
    const sent = await answer.request().allHeaders();
    assert.equal(sent.cookie, undefined, 'a cookie came along into a cross-site frame');
    assert.equal(await entra.frames()[1]?.locator('body').textContent(), 'signed out\n');
    await page.reload();
    await heading(page, 'Welcome');
    await isSignedOut(scenario, page);
  });
}

/** What the Back button shows after it. */
export function backJourneys(scenario: Scenario): void {
  scenario.journey('who goes back after signing out sees nothing of theirs', async (alice) => {
    const { page } = alice;
    await scenario.signIn(alice, 'alice');
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
      if (page.url().startsWith(scenario.system.web)) assert.doesNotMatch(await page.content(), /Alice|alice@/);
    }
    assert.ok(shown.includes(`${scenario.system.web}/`), `Back led to ${shown.join(', ')}`);
  });
}

/** Whoever is not signed in is sent to Entra ID by this page, which then asks who they are or knows it. */
async function isSignedOut({ system }: Scenario, page: Page): Promise<void> {
  await page.goto(`${system.web}/profile`);
  await heading(page, 'Pick an account');
}
