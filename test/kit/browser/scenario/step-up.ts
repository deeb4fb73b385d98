import assert from 'node:assert/strict';
import { answerOn, departures, heading, pick } from '../steps.ts';
import type { Scenario } from './scenario.ts';

/** What Entra ID asks of a person who is signed in. */
export function stepUpJourneys(scenario: Scenario): void {
  scenario.journey(
    'proves who they are once more where the API asks for it, and is back where they were',
    async (alice) => {
      const { page, look } = alice;
      await scenario.signIn(alice, 'alice');
      const sent = departures(page);
      await page.getByRole('link', { name: 'Payroll' }).click();
      await heading(page, 'Approve sign-in');
      await look();
      await page.getByRole('button', { name: 'Approve' }).click();
      assert.equal((await answerOn(alice)).name, 'Alice Ahrens');
      assert.equal(page.url(), `${scenario.system.web}/payroll`);
      await page.getByRole('link', { name: 'Call again' }).click();
      await page.getByLabel('The response').waitFor();
      assert.equal(sent.length, 1, 'once is enough');
    },
  );

  scenario.journey('whom Entra ID has revoked signs in once more, and is back where they were', async (bob) => {
    const { page } = bob;
    await scenario.signIn(bob, 'bob');
    await page.getByRole('link', { name: 'Microsoft Graph' }).click();
    await answerOn(bob);
    await scenario.system.admin('POST', '/users/bob@contoso.test/revoke');
    const sent = departures(page);
    await page.getByRole('link', { name: 'Call again' }).click();
    await pick(page, 'bob');
    assert.equal((await answerOn(bob)).userPrincipalName, 'bob@contoso.test');
    assert.equal(page.url(), `${scenario.system.web}/graph/me`);
    assert.equal(sent.length, 1, 'they were sent to Entra ID more than once');
  });

  scenario.journey('who can never satisfy what is asked is told so, not sent round in circles', async (alice) => {
    const { page } = alice;
    await scenario.signIn(alice, 'alice');
    // Whatever was acquired for her goes.
    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByText('on all your devices').waitFor();
    await scenario.signIn(alice, 'alice');
    const claims = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c9' } } });
    const never = { match: { grant: 'on_behalf_of' }, then: { aadsts: 50076, claims } };
    await scenario.system.admin('PUT', '/faults', [never]);
    try {
      const sent = departures(page);
      await page.getByRole('link', { name: 'Microsoft Graph' }).click();
      await page.getByRole('button', { name: 'Approve' }).click();
      await heading(page, 'More is needed to show this');
      assert.ok(sent.length <= 2, `sent to Entra ID ${sent.length} times`);
      assert.match((await page.locator('#reference').textContent()) ?? '', /^[0-9a-f]{32}$/);
    } finally {
      await scenario.system.admin('DELETE', '/faults');
    }
  });
}
