import assert from 'node:assert/strict';
import { answerOn, consent, heading, hello, pick } from '../steps.ts';
import type { Scenario } from './scenario.ts';

/** Consent, and the pages that it opens. */
export function consentJourneys(scenario: Scenario): void {
  scenario.journey(
    'is asked for consent, for more of it when a page needs it, and each page then shows',
    async (carol) => {
      const { page, look } = carol;
      await page.goto(scenario.system.web);
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
      assert.equal(page.url(), `${scenario.system.web}/whoami`);
      await page.getByRole('link', { name: 'Home' }).click();
      await page.getByRole('link', { name: 'Microsoft Graph' }).click();
      await page.getByText('read your profile').waitFor();
      await consent(page).click();
      assert.equal((await answerOn(carol)).userPrincipalName, 'carol@contoso.test');
      assert.equal(page.url(), `${scenario.system.web}/graph/me`);
    },
  );

  scenario.journey('may decline, which changes nothing, and sign in after all', async ({ page, look }) => {
    await page.goto(`${scenario.system.web}/sign-in?prompt=consent`);
    await pick(page, 'bob');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('You cancelled the sign-in').waitFor();
    await look();
    await page.getByRole('link', { name: 'Try again' }).click();
    await hello(page);
  });

  scenario.journey('sees what Microsoft Graph told the API on their behalf', async (alice) => {
    await scenario.signIn(alice, 'alice');
    await alice.page.getByRole('link', { name: 'Microsoft Graph' }).click();
    assert.equal((await answerOn(alice)).userPrincipalName, 'alice@contoso.test');
  });
}
