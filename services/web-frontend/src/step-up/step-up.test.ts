import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { challengeSeconds } from '@onbehalf/node/lifetimes';
import { openTestbed, signIn } from '../testbed.fake.ts';

const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const challenge = `Bearer error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`;

/** A person from whom an API asks a step-up, with the link that a script got for it. */
async function stepUpAsked() {
  const testbed = await openTestbed();
  const browser = testbed.browser();
  await signIn(testbed, browser);
  testbed.setApiResponse(() => ({ status: 401, headers: { 'www-authenticate': challenge } }));
  const link: string = JSON.parse((await browser.script('/api/orders/x')).body).sign_in;
  return { testbed, browser, link, [Symbol.asyncDispose]: () => testbed[Symbol.asyncDispose]() };
}

describe('the link of a step-up', () => {
  it('is good for a quarter of an hour, and not a second longer', async () => {
    await using at = await stepUpAsked();
    at.testbed.clock.nowMs += challengeSeconds * 1_000;
    const inTime = await at.browser.send(at.link);
    assert.equal(inTime.status, 303);
    assert.equal(new URL(inTime.location).searchParams.get('claims'), claims);
    at.testbed.clock.nowMs += 1_000;
    const late = await at.browser.send(at.link);
    assert.deepEqual([late.status, late.location, late.setCookies], [400, '', []]);
    assert.match(late.body, /This link is no longer good/);
    assert.equal(challengeSeconds, 900);
  });

  it('is good only as it was made', async () => {
    await using at = await stepUpAsked();
    for (const link of [at.link.slice(0, -20), at.link.replace(/.(?=.{30}$)/, (c) => (c === 'A' ? 'B' : 'A'))]) {
      assert.equal((await at.browser.send(link)).status, 400);
    }
  });
});
