import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sampleFlow } from '@onbehalf/trace-viewer/sample-flow';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import type { Browser } from 'playwright-core';
import type { Outage } from '../../tools/demo/outages.ts';
import { Panel } from '../../tools/demo/panel.ts';
import { launchChromium } from '../kit/browser/chromium.ts';
import { Keyboard } from '../kit/browser/keyboard.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

let browser: Browser & AsyncDisposable;
before(async () => {
  browser = await launchChromium();
});
after(() => browser?.[Symbol.asyncDispose]());

/** A person with a keyboard, at a screen of 320 pixels. */
async function open(url: string): Promise<Keyboard & AsyncDisposable> {
  const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(url);
  return Object.assign(new Keyboard(page), { [Symbol.asyncDispose]: () => context.close() });
}

describe('by keyboard alone, on 320 pixels, seeing at each stop where one is', () => {
  let system: System;
  before(async () => {
    system = await openSystem({ frontend: true, name: 'keyboard' });
  });
  after(() => system?.close());

  it('a person signs in, consents, calls an API, steps up and signs out', async () => {
    await using alice = await open(system.web);
    const { page } = alice;
    const heading = (name: string) => page.getByRole('heading', { level: 1, name }).waitFor();
    await alice.press('Sign in');
    await heading('Pick an account');
    await alice.press(/^Alice Ahrens/);
    await heading('Permissions requested');
    await alice.press('Accept');
    await heading('Hello, Alice Ahrens');
    await alice.press('Who am I?');
    await page.getByText("Use Onbehalf's downstream API as you").waitFor();
    await alice.press('Accept');
    await heading('Who am I?');
    await alice.press('Go to the start');
    await heading('Hello, Alice Ahrens');
    await alice.press('Payroll');
    await heading('Approve sign-in');
    await alice.press('Approve');
    await heading('Payroll');
    await alice.press('Profile');
    await heading('Your profile');
    await alice.press('Sign out');
    await page.getByText('You are signed out.').waitFor();
  });

  it('a person declines, and signs out everywhere', async () => {
    await using bob = await open(`${system.web}/sign-in?prompt=consent`);
    const { page } = bob;
    await bob.press(/^Bob Berger/);
    await page.getByRole('heading', { name: 'Permissions requested' }).waitFor();
    await bob.press('Cancel');
    await page.getByRole('heading', { name: 'You cancelled the sign-in' }).waitFor();
    await bob.press('Try again');
    await page.getByRole('heading', { name: 'Permissions requested' }).waitFor();
    await bob.press('Accept');
    await page.getByRole('heading', { name: 'Hello, Bob Berger' }).waitFor();
    await bob.press('Sign out everywhere');
    await page.getByText('You are signed out on all your devices.').waitFor();
  });
});

describe('by keyboard alone the trace viewer, on 320 pixels', () => {
  let viewer: Viewer;
  before(async () => {
    viewer = await createViewer();
    for (const [kind, place] of [
      ['signIn', 0],
      ['throttled', 1],
    ] as const) {
      const { body } = sampleFlow(kind, `${kind}`, Date.UTC(2026, 5, 1, 18) + place * 60_000);
      const headers = { 'Content-Type': 'application/json' };
      await fetch(`${viewer.url}/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body) });
    }
  });
  after(() => viewer?.[Symbol.asyncDispose]());

  it('leads from the list to a trace, a step of it, and back', async () => {
    await using reader = await open(viewer.url);
    const { page } = reader;
    const details = page.locator('#details');
    await page.locator('#flows a').nth(1).waitFor();
    await reader.press(/^sign in/);
    await page.locator('#name', { hasText: /^sign in/ }).waitFor();
    await reader.press('Spans');
    await details.waitFor();
    assert.match((await details.locator('h3').textContent()) ?? '', /^sign in/);
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'details');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await details.waitFor({ state: 'hidden' });
    await page.keyboard.press('Escape');
    assert.match(String(await page.evaluate('document.activeElement.id')), /^f-/, 'the focus is in the list again');
  });

  it('filters the list', async () => {
    await using reader = await open(viewer.url);
    const { page } = reader;
    const found = page.locator('#flows a');
    await found.nth(1).waitFor();
    await reader.goTo('Find');
    await page.keyboard.type('AADSTS90055');
    assert.equal(await found.count(), 1);
    await page.keyboard.press('Enter');
    await page.locator('#name', { hasText: 'GET /api' }).waitFor();
    await reader.goTo('Find');
    for (let letter = 0; letter < 'AADSTS90055'.length; letter += 1) await page.keyboard.press('Backspace');
    assert.equal(await found.count(), 2);
    await reader.goTo('Only errors');
    await page.keyboard.press('Space');
    assert.equal(await found.count(), 1);
    await reader.goTo('Sequence');
    await page.keyboard.press('ArrowRight');
    await page.locator('.waterfall').waitFor();
  });
});

describe('by keyboard alone the panel "Break it", on 320 pixels', () => {
  it('breaks, and shows what did', async () => {
    const outage: Outage = {
      ...{ id: 'slow', title: 'Slow', watch: 'this', must: 'It goes on.', number: { label: 'Milliseconds', usual: 5 } },
      run: async (_stage, number) => `went on after ${number} ms`,
    };
    const system = {
      calls: async () => 1,
      brokers: [{ admin: 'http://127.0.0.1:1' }],
      web: 'http://localhost:3000',
      viewerUrl: undefined,
    };
    await using panel = new Panel(system as unknown as System, [outage]);
    await using operator = await open(await panel.listen(0));
    await operator.goTo('Milliseconds');
    await operator.page.keyboard.type('7');
    await operator.press('Break it');
    await operator.page.getByText(/Did: went on after 5?7 ms/).waitFor();
  });
});
