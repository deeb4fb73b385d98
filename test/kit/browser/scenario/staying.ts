import assert from 'node:assert/strict';
import { expireSessions } from '../../redis/expire.ts';
import { departures, heading, hello, pick, reloadUntil, sessionOf } from '../steps.ts';
import type { Scenario } from './scenario.ts';

/** What leaves a person signed in, or lets them in again at once. */
export function stayingJourneys(scenario: Scenario): void {
  scenario.journey('signs in in two tabs at once, each back where it was', async ({ context, page, look }) => {
    const other = await context.newPage();
    await page.goto(`${scenario.system.web}/profile`);
    await other.goto(`${scenario.system.web}/whoami`);
    await heading(page, 'Pick an account');
    await pick(other, 'alice');
    await other.getByLabel('The response').waitFor();
    await pick(page, 'alice');
    await heading(page, 'Your profile');
    assert.equal(page.url(), `${scenario.system.web}/profile`);
    await other.reload();
    await other.getByLabel('The response').waitFor();
    await look();
  });

  scenario.journey(
    'whose session has expired is welcomed as a guest and signs in again without a question',
    async (alice) => {
      const { page } = alice;
      await scenario.signIn(alice, 'alice');
      await expireSessions(scenario.system);
      await reloadUntil(page, /^Welcome$/);
      assert.equal(await sessionOf(scenario.system, alice), undefined);
      await page.getByRole('link', { name: 'Sign in' }).click();
      await hello(page);
    },
  );

  scenario.journey(
    'stays signed in through an outage and is told so, and guests notice nothing',
    async (alice, guest) => {
      const { page, look } = alice;
      await scenario.signIn(alice, 'alice');
      const before = await sessionOf(scenario.system, alice);
      scenario.system.relays.broker.cut();
      try {
        const answer = await page.reload();
        assert.equal(answer?.status(), 503);
        assert.match((await answer?.headerValue('retry-after')) ?? '', /^\d+$/);
        await heading(page, 'Sign-in service is unavailable');
        await page.getByText('Nothing is lost: if you were signed in, you still are.').waitFor();
        await look();
        assert.equal(await sessionOf(scenario.system, alice), before);
        await guest.page.goto(scenario.system.web);
        await heading(guest.page, 'Welcome');
        await guest.page.reload();
      } finally {
        scenario.system.relays.broker.restore();
      }
      const sent = departures(page);
      await reloadUntil(page, /^Hello, /);
      assert.equal(await sessionOf(scenario.system, alice), before);
      assert.deepEqual(sent, [], 'nobody had to sign in again');
    },
  );
}
