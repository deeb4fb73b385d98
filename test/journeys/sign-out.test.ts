import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import seed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import { callApi, pick, session, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import { until } from '../kit/until.ts';
import type { Visitor } from '../kit/visitor.ts';

const system = await openSystem({ frontend: true, name: 'sign-out', brokers: 2 });
after(() => system.close());

async function signedIn(person: string): Promise<Visitor> {
  const visitor = system.visitor();
  await signIn(visitor, system, person);
  return visitor;
}

/** Signs the browser out at Entra alone, whose page frames our front-channel logout. */
async function signOutAtEntra(visitor: Visitor): Promise<number | undefined> {
  await visitor.open(`${system.emulator.browserOrigin}/${seed.tenants[0]?.tid}/oauth2/v2.0/logout`);
  return visitor.answers.findLast(({ url }) => url.pathname === '/auth/front-channel-logout')?.status;
}

/** How often the log has said that an end is confirmed after all. */
const confirmed = async () =>
  (await readFile(join(system.logDir, 'web-frontend.log'), 'utf8')).split('"event":"session.end_confirmed"').length - 1;

describe('sign out everywhere', () => {
  it('tells that the session here had ended, and after one click and a sign-in has ended all others', async () => {
    const [laptop, phone] = [await signedIn('carol'), await signedIn('carol')];
    await callApi(phone, system);
    await laptop.open(system.web);
    // Another tab signs out; this page still stands.
    const cookies = await laptop.jar.getCookies(system.web);
    const tab = system.visitor();
    for (const cookie of cookies) await tab.jar.setCookie(cookie, system.web);
    await tab.open(system.web);
    await tab.press('Sign out');
    await laptop.press('Sign out everywhere');
    assert.match(laptop.words, /had already ended, so nothing was ended on your other devices/);
    assert.equal((await session(phone)).status, 200);
    await laptop.press('Sign in, then sign out everywhere');
    await pick(laptop, system, 'carol');
    assert.equal(laptop.page.url.origin, system.web);
    assert.match(laptop.words, /You are signed out on all your devices/);
    assert.equal((await session(laptop)).status, 401);
    await until(async () => (await session(phone)).status === 401, 'the phone is signed out');
  });
});

describe('a front-channel logout', () => {
  for (const away of ['redis', 'broker'] as const) {
    it(`that meets an outage of ${away} is done when that is over`, async () => {
      const alice = await signedIn('alice');
      const before = await confirmed();
      system.relays[away].cut();
      try {
        assert.equal(await signOutAtEntra(alice), 503);
      } finally {
        system.relays[away].restore();
      }
      await until(async () => (await confirmed()) > before, 'the end is confirmed');
      await alice.open(system.web);
      assert.equal((await session(alice)).status, 401);
    });
  }

  it('that waits in a pod which is shut down is done before it goes', async () => {
    const bob = await signedIn('bob');
    system.relays.broker.cut();
    assert.equal(await signOutAtEntra(bob), 503);
    const web = system.program('web-frontend').process ?? assert.fail();
    const gone = once(web, 'exit');
    web.kill('SIGTERM');
    system.relays.broker.restore();
    await gone;
    await system.restart('web-frontend');
    await bob.open(system.web);
    assert.equal((await session(bob)).status, 401);
  });
});
